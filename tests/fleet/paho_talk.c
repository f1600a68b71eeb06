/* SPDX-License-Identifier: Apache-2.0 */
/*
 * headrace-paho: paho's C library against headraced, by 3.1.1 and by 5.0. Publishes and receives at
 * each QoS, finds a retained message, resumes a session with what it missed, has its will
 * delivered, and uses properties.
 *
 *   headrace-paho HOST
 *
 * Exit status: 0 all as expected; 1 not, with the reason.
 */
#include <MQTTClient.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 30000

static char url[128];

static _Noreturn void fail(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

static void check(int rc, const char *what)
{
	if (rc != MQTTCLIENT_SUCCESS)
		fail("%s: %d", what, rc);
}

/* `session`: kept, and taken up again. Returns whether there was one; negative: not known. */
static int start(MQTTClient *client, const char *id, int version, int session, const char *will)
{
	MQTTClient_createOptions create = MQTTClient_createOptions_initializer;
	create.MQTTVersion = version;
	check(MQTTClient_createWithOptions(client, url, id, MQTTCLIENT_PERSISTENCE_NONE, NULL,
					   &create),
	      "create");
	MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
	MQTTClient_connectOptions options5 = MQTTClient_connectOptions_initializer5;
	MQTTClient_willOptions w = MQTTClient_willOptions_initializer;
	MQTTClient_connectOptions *o = version == MQTTVERSION_5 ? &options5 : &options;
	w.topicName = "paho/will";
	w.message = will;
	w.qos = 1;
	o->MQTTVersion = version;
	o->cleansession = version == MQTTVERSION_5 ? 0 : !session;
	o->cleanstart = version == MQTTVERSION_5 ? !session : 0;
	o->will = will ? &w : NULL;
	if (version != MQTTVERSION_5) {
		check(MQTTClient_connect(*client, o), "connect");
		return o->returned.sessionPresent;
	}
	MQTTProperties props = MQTTProperties_initializer;
	MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL};
	expiry.value.integer4 = session ? 3600 : 0;
	MQTTProperties_add(&props, &expiry);
	MQTTResponse r = MQTTClient_connect5(*client, o, &props, NULL);
	check((int)r.reasonCode, "connect 5.0");
	MQTTResponse_free(r);
	MQTTProperties_free(&props);
	return -1; /* the library does not tell by 5.0 */
}

static void stop(MQTTClient *client)
{
	check(MQTTClient_disconnect(*client, 1000), "disconnect");
	MQTTClient_destroy(client);
}

static void subscribe(MQTTClient client, int version, const char *filter, int qos)
{
	if (version != MQTTVERSION_5) {
		check(MQTTClient_subscribe(client, filter, qos), "subscribe");
		return;
	}
	MQTTResponse r = MQTTClient_subscribe5(client, filter, qos, NULL, NULL);
	if ((int)r.reasonCode != qos)
		fail("SUBACK %d, expected %d", (int)r.reasonCode, qos);
	MQTTResponse_free(r);
}

/* Returns the reason code of 5.0. */
static int publish(MQTTClient client, int version, const char *topic, const char *text, int qos,
		   int retained)
{
	MQTTClient_message m = MQTTClient_message_initializer;
	MQTTClient_deliveryToken token;
	m.payload = (void *)(uintptr_t)text;
	m.payloadlen = (int)strlen(text);
	m.qos = qos;
	m.retained = retained;
	if (version != MQTTVERSION_5) {
		check(MQTTClient_publishMessage(client, topic, &m, &token), "publish");
		check(MQTTClient_waitForCompletion(client, token, PATIENCE_MS), "completion");
		return 0;
	}
	MQTTProperty user = {.identifier = MQTTPROPERTY_CODE_USER_PROPERTY};
	user.value.data = (MQTTLenString){1, (char[]){'k'}};
	user.value.value = (MQTTLenString){1, (char[]){'v'}};
	MQTTProperties_add(&m.properties, &user);
	MQTTResponse r = MQTTClient_publishMessage5(client, topic, &m, &token);
	int code = (int)r.reasonCode;
	MQTTResponse_free(r);
	MQTTProperties_free(&m.properties);
	if (code >= 0)
		check(MQTTClient_waitForCompletion(client, token, PATIENCE_MS), "completion");
	return code;
}

static void expect(MQTTClient client, int version, const char *topic, const char *text, int qos)
{
	MQTTClient_message *m = NULL;
	char *name = NULL;
	int bytes = 0;
	check(MQTTClient_receive(client, &name, &bytes, &m, PATIENCE_MS), "receive");
	if (!m)
		fail("no message on %s", topic);
	if (strcmp(name, topic) != 0 || (size_t)m->payloadlen != strlen(text) ||
	    memcmp(m->payload, text, strlen(text)) != 0 || m->qos != qos)
		fail("%s: not what was expected of %s", name, topic);
	if (version == MQTTVERSION_5 &&
	    !MQTTProperties_hasProperty(&m->properties, MQTTPROPERTY_CODE_USER_PROPERTY))
		fail("%s: the user property is missing", topic);
	MQTTClient_freeMessage(&m);
	MQTTClient_free(name);
}

static void talk(int version)
{
	static const char *const texts[] = {"zero", "one", "two"};
	MQTTClient a, b;
	start(&a, "paho-a", version, 0, NULL);
	subscribe(a, version, "paho/+/x", 2);
	for (int qos = 0; qos < 3; qos++) {
		publish(a, version, "paho/q/x", texts[qos], qos, 0);
		expect(a, version, "paho/q/x", texts[qos], qos);
	}
	publish(a, version, "paho/kept/x", "kept", 1, 1);
	expect(a, version, "paho/kept/x", "kept", 1);

	if (start(&b, "paho-b", version, 1, NULL) > 0)
		fail("a session before the first");
	subscribe(b, version, "paho/kept/x", 2);
	expect(b, version, "paho/kept/x", "kept", 1);
	stop(&b);
	publish(a, version, "paho/kept/x", "missed", 2, 0);
	if (!start(&b, "paho-b", version, 1, NULL))
		fail("no session present by version %d", version);
	expect(b, version, "paho/kept/x", "missed", 2);
	stop(&b);
	start(&b, "paho-b", version, 0, NULL);
	stop(&b);
	publish(a, version, "paho/kept/x", "", 1, 1);
	stop(&a);
}

/* A second connection with the same id takes the first over, whose will is published. */
static void talk_of_wills(void)
{
	MQTTClient watcher, first, second;
	start(&watcher, "paho-w", MQTTVERSION_3_1_1, 0, NULL);
	subscribe(watcher, MQTTVERSION_3_1_1, "paho/will", 1);
	start(&first, "paho-dies", MQTTVERSION_3_1_1, 0, "gone");
	start(&second, "paho-dies", MQTTVERSION_3_1_1, 0, NULL);
	expect(watcher, MQTTVERSION_3_1_1, "paho/will", "gone", 1);
	stop(&second);
	MQTTClient_destroy(&first);
	stop(&watcher);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: headrace-paho HOST\n");
		return 2;
	}
	snprintf(url, sizeof url, "tcp://%s:1883", argv[1]);
	talk(MQTTVERSION_3_1_1);
	talk(MQTTVERSION_5);
	talk_of_wills();
	puts("paho C: all as expected");
	return EXIT_SUCCESS;
}
