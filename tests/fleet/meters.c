/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The population: half of the meters on CoAP, the others on MQTT, of those three in ten behind
 * gateways. Clocks of every kind of drift; registers somewhere in their range, one of them about
 * to roll over. Also the registry's CSV for all of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "fleet.h"

#define ROLLING_METER 3 /* its register passes the last dial after a few seconds */

/* Of each 20 meters: 7 on MQTT directly, 3 behind gateways, 10 on CoAP. */
static enum route route_of(uint32_t index)
{
	uint32_t place = index % 20;
	if (place < 7)
		return ROUTE_MQTT;
	return place < 10 ? ROUTE_GATEWAY : ROUTE_COAP;
}

/* Of each 50 meters: 4 flagged, 2 replaced, 1 rejected. Shuffled against the routes by 7. */
static enum clock_kind clock_of(uint32_t index)
{
	uint32_t place = index * 7 % 50;
	if (index == ROLLING_METER || place < 43)
		return CLOCK_OK;
	if (place < 47)
		return CLOCK_FLAGGED;
	return place < 49 ? CLOCK_REPLACED : CLOCK_REJECTED;
}

/* Well inside each class, so that a slow delivery doesn't change it. */
static int64_t clock_offset_ms(struct fleet *f, enum clock_kind kind)
{
	static const struct {
		int32_t from_s, to_s;
	} spans[] = {
	    [CLOCK_OK] = {0, 20},
	    [CLOCK_FLAGGED] = {120, 200},
	    [CLOCK_REPLACED] = {600, 3000},
	    [CLOCK_REJECTED] = {4000, 90000},
	};
	uint32_t width_ms = (uint32_t)(spans[kind].to_s - spans[kind].from_s) * 1000;
	int64_t ms = spans[kind].from_s * 1000 + (int64_t)fleet_random_below(f, width_ms);
	return fleet_random_below(f, 2) ? ms : -ms;
}

static void meter_init(struct fleet *f, uint32_t index)
{
	struct meter *m = &f->meters[index];
	m->route = route_of(index);
	m->shape = index / 20 % 2 ? SHAPE_NESTED : SHAPE_FLAT;
	m->clock = clock_of(index);
	m->clock_ms = clock_offset_ms(f, m->clock);
	/* Where the time of arrival counts, two readings may seem to be close together, though the
	 * server was away between them: minutes, on a starved machine, until it is 10 Wh. */
	bool replaced = m->clock == CLOCK_REPLACED;
	m->power_w = replaced ? 20 + fleet_random_below(f, 80) : 300 + fleet_random_below(f, 7500);
	m->capacity_w = 25000 + 5000 * fleet_random_below(f, 16);
	m->wh = 1000000 + fleet_random_below(f, 50000000);
	m->last_fresh = m->judged = NONE;
	if (index == ROLLING_METER) {
		m->wh = 999999995;
		m->power_w = 4000;
	}
	m->energy_mwh = m->wh * 1000;
}

static void meter_name(struct meter *m, uint32_t index)
{
	if (m->shape == SHAPE_FLAT)
		snprintf(m->id, sizeof m->id, "SM-%05u", index + 1);
	else
		snprintf(m->id, sizeof m->id, "METER-%05u", index + 1);
}

static struct sender *sender_add(struct fleet *f, enum route route)
{
	struct sender *s = &f->senders[f->sender_count++];
	s->route = route;
	s->transport = route == ROUTE_COAP ? f->coap_senders++ : f->mqtt_senders++;
	return s;
}

static void sender_put(struct fleet *f, struct sender *s, uint32_t meter, uint32_t *place)
{
	if (!s->meters)
		s->first_meter = *place;
	s->meters++;
	f->behind[(*place)++] = meter;
	f->meters[meter].sender = (uint32_t)(s - f->senders);
}

/* Meters behind gateways, each gateway with meters of one shape. */
static void gateways_fill(struct fleet *f, uint32_t *place)
{
	uint32_t gateways = 0;
	for (uint32_t shape = SHAPE_FLAT; shape <= SHAPE_NESTED; shape++) {
		struct sender *s = NULL;
		for (uint32_t i = 0; i < f->options.meters; i++) {
			struct meter *m = &f->meters[i];
			if (m->route != ROUTE_GATEWAY || m->shape != shape)
				continue;
			if (!s || s->meters == GATEWAY_METERS) {
				s = sender_add(f, ROUTE_GATEWAY);
				snprintf(s->id, sizeof s->id, "GW-%03u", ++gateways);
			}
			sender_put(f, s, i, place);
		}
	}
}

void fleet_populate(struct fleet *f)
{
	uint32_t count = f->options.meters, place = 0;
	f->meters = calloc(count, sizeof *f->meters);
	f->senders = calloc(count, sizeof *f->senders);
	f->behind = calloc(count, sizeof *f->behind);
	CHECK(f->meters && f->senders && f->behind);
	for (uint32_t i = 0; i < count; i++) {
		meter_init(f, i);
		meter_name(&f->meters[i], i);
	}
	for (uint32_t i = 0; i < count; i++) {
		if (f->meters[i].route == ROUTE_GATEWAY)
			continue;
		struct sender *s = sender_add(f, f->meters[i].route);
		memcpy(s->id, f->meters[i].id, sizeof s->id);
		sender_put(f, s, i, &place);
	}
	gateways_fill(f, &place);
}

static void put_device(FILE *out, const char *id, const char *state, const char *gateway,
                       uint32_t capacity_w, const char *model, uint32_t serial)
{
	fprintf(out, "%s,%s,%s,%u,6,Example Metering,%s,EX%08u,2.1.0\n", id, state, gateway,
	        capacity_w, model, serial);
}

int fleet_write_devices(const struct fleet *f, const char *path)
{
	FILE *out = fopen(path, "w");
	if (!out) {
		fprintf(stderr, "headrace-fleet: %s: %s\n", path, strerror(errno));
		return -1;
	}
	fputs("id,state,gateway,capacity_w,dials,manufacturer,model,serial,firmware\n", out);
	for (uint32_t i = 0; i < f->options.meters; i++) {
		const struct meter *m = &f->meters[i];
		const struct sender *s = &f->senders[m->sender];
		put_device(out, m->id, "active", s->route == ROUTE_GATEWAY ? s->id : "",
		           m->capacity_w, m->shape == SHAPE_FLAT ? "F1" : "N1", i + 1);
	}
	put_device(out, "SM-90001", "suspended", "", 25000, "F1", 90001);
	/* for whoever wants to try a client of his own */
	put_device(out, "SM-90002", "active", "", 25000, "F1", 90002);
	put_device(out, "SM-90003", "active", "", 25000, "F1", 90003);
	if (fclose(out)) {
		fprintf(stderr, "headrace-fleet: %s: %s\n", path, strerror(errno));
		return -1;
	}
	return 0;
}
