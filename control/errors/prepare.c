/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An entry's bytes to readings that may be sent once more. Input: the store's entry and an
 * operator's correction, neither trusted. Output: q->decoded and the job's payload. Thread: the
 * operation's. Memory: the job's payload, malloc. It sends nothing.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/errors/queue_priv.h"

void job_keep(struct error_job *job, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vsnprintf(job->attempt.why, sizeof job->attempt.why, format, ap);
	va_end(ap);
	job->attempt.outcome = ERROR_KEPT;
}

static bool payload_put(struct error_job *job, const void *bytes, uint32_t count)
{
	if (count > job->payload_capacity - job->payload_bytes)
		return false;
	if (count > 0)
		memcpy(job->payload + job->payload_bytes, bytes, count);
	job->payload_bytes += count;
	return true;
}

static uint64_t candidates_of(const struct error_queue *q, const struct stored_error *e)
{
	uint64_t found = 0;
	if (e->protocol != PROTOCOL_COAP)
		found |= match_topic(q->config.matcher, q->scratch, e->topic, e->topic_bytes);
	if (e->protocol != PROTOCOL_MQTT)
		found |= match_uri(q->config.matcher, q->scratch, e->topic, e->topic_bytes);
	return found;
}

static uint32_t decode_as(struct error_queue *q, const struct error_job *job,
                          const struct profile *p)
{
	const struct stored_error *e = &job->entry;
	const struct decode_source in = {.payload = job->payload,
	                                 .bytes = job->payload_bytes,
	                                 .topic = e->topic,
	                                 .topic_bytes = e->topic_bytes,
	                                 .received_ms = e->received_ms};
	return decode_run(q->decoder, q->config.plans[p->id], &in, q->decoded,
	                  READINGS_PER_MESSAGE);
}

/* Where the key before it names the device, the entry's bytes are without that key. */
static bool put_wrapped(struct error_job *job)
{
	const struct stored_error *e = &job->entry;
	job->payload_bytes = 0;
	return payload_put(job, "{\"", 2) && payload_put(job, e->device_id, e->device_id_bytes) &&
	       payload_put(job, "\":[", 3) && payload_put(job, e->raw, e->raw_bytes) &&
	       payload_put(job, "]}", 2);
}

/* Fills q->decoded; 0: the attempt says why not. */
static uint32_t decode_job(struct error_queue *q, struct error_job *job,
                           const struct error_correction *c, const struct profile **profile)
{
	const struct stored_error *e = &job->entry;
	const uint8_t *raw = c && c->payload ? c->payload : e->raw;
	uint32_t bytes = c && c->payload ? c->payload_bytes : e->raw_bytes;
	const struct profile *first = q->config.profiles->by_id[e->profile];

	*profile = first;
	if (!(c && c->payload) && first && first->device_source == DEVICE_FROM_KEY &&
	    e->device_id_bytes > 0 && put_wrapped(job)) {
		uint32_t count = decode_as(q, job, first);
		if (count == 1 && q->decoded[0].fate == FATE_PENDING)
			return count;
	}
	job->payload_bytes = 0;
	if (bytes == 0 || bytes > PAYLOAD_BYTES_MAX || !payload_put(job, raw, bytes)) {
		job_keep(job, "a payload has 1 to %d bytes, not %u", PAYLOAD_BYTES_MAX, bytes);
		return 0;
	}
	const struct profile *p = match_payload(q->config.matcher, q->scratch, candidates_of(q, e),
	                                        job->payload, job->payload_bytes);
	if (p)
		*profile = p;
	if (!*profile) {
		job_keep(job, "%s: %s", fate_info[FATE_REJECT_PROFILE].name,
		         fate_info[FATE_REJECT_PROFILE].help);
		return 0;
	}
	uint32_t count = decode_as(q, job, *profile);
	if (count == 0)
		job_keep(job, "there is no reading in these bytes alone");
	return count;
}

static bool is_entrys(const struct error_queue *q, const struct error_job *job,
                      const struct reading *r)
{
	const struct stored_error *e = &job->entry;
	return r->meter_ts_ms == e->meter_ts_ms && r->id_bytes == e->device_id_bytes &&
	       memcmp(decode_id(q->decoder, job->payload, r), e->device_id, r->id_bytes) == 0;
}

/* An entry is one reading; its bytes may be those of a whole message. */
static uint32_t select_readings(struct error_queue *q, const struct error_job *job, uint32_t count)
{
	if (count == 1 || job->entry.meter_ts_ms == 0 || job->entry.device_id_bytes == 0)
		return count;
	for (uint32_t i = 0; i < count; i++)
		if (is_entrys(q, job, &q->decoded[i])) {
			q->decoded[0] = q->decoded[i];
			return 1;
		}
	return count;
}

/* The device ids that are not in the payload come behind it. */
static bool place_ids(struct error_queue *q, struct error_job *job, uint32_t count,
                      const char *device)
{
	for (uint32_t i = 0; i < count; i++) {
		struct reading *r = &q->decoded[i];
		uint32_t bytes = device ? (uint32_t)strlen(device) : r->id_bytes;
		if (!device && !r->id_apart)
			continue;
		const void *id =
		    device ? (const void *)device : decode_id(q->decoder, job->payload, r);
		uint32_t at = job->payload_bytes;
		if (bytes > DEVICE_ID_BYTES || !payload_put(job, id, bytes)) {
			job_keep(job, "the message has too many readings to be sent in one piece");
			return false;
		}
		r->id_offset = (uint16_t)(at - r->raw_offset);
		r->id_bytes = (uint8_t)bytes;
		r->id_apart = 0;
	}
	return true;
}

/* As dataplane/ingest/identify.c will judge, as long as nobody changes the registry meanwhile. */
static bool may_send(const struct error_queue *q, const struct stored_error *e,
                     const struct device *d)
{
	char client[CLIENT_ID_BYTES + 1];
	snprintf(client, sizeof client, "%.*s", (int)e->client_id_bytes, e->client_id);
	if (client[0] && (strcmp(client, d->id) == 0 || strcmp(client, d->gateway) == 0))
		return true;
	return !q->config.strict_authorisation && (!client[0] || !d->gateway[0]);
}

static bool judge_device(struct error_queue *q, struct error_job *job, struct reading *r)
{
	char id[DEVICE_ID_BYTES + 1];
	struct device d;
	struct error err;
	snprintf(id, sizeof id, "%.*s", (int)r->id_bytes,
	         (const char *)job->payload + (uint16_t)(r->raw_offset + r->id_offset));
	enum result result = registry_get(q->config.registry, id, &d, &err);
	if (result == RESULT_ABSENT)
		job_keep(job, "%s: %s is not in the registry", fate_info[FATE_REJECT_UNKNOWN].name,
		         id);
	else if (result != RESULT_OK)
		job_keep(job, "%s", err.text);
	else if (d.state != DEVICE_ACTIVE)
		job_keep(job, "%s: %s is %s", fate_info[FATE_REJECT_INACTIVE].name, id,
		         device_state_name(d.state));
	else if (!job->vouched && !may_send(q, &job->entry, &d))
		job_keep(job, "%s: %.*s may not send for %s",
		         fate_info[FATE_REJECT_UNAUTHORISED].name,
		         (int)job->entry.client_id_bytes, job->entry.client_id, id);
	else {
		r->device = d.number;
		r->capacity_w = d.capacity_w;
		r->dials = (uint8_t)d.dials;
		r->register_from_ms = d.register_from_s * 1000;
		return true;
	}
	return false;
}

/* The flags that only an operator sets; what would be refused for its age is kept back here. */
static bool judge_age(struct error_job *job, struct reading *r, const struct profile *p)
{
	if (r->received_ms - r->meter_ts_ms <= (int64_t)p->late_max_ms)
		return true;
	if (!job->accept_late) {
		job_keep(job, "%s: %s; --accept-late takes it",
		         fate_info[FATE_REJECT_TOO_LATE].name,
		         fate_info[FATE_REJECT_TOO_LATE].help);
		return false;
	}
	r->flags |= READING_F_LATE_ACCEPTED;
	return true;
}

/* A reading that could not be read is made of the correction alone. */
static bool mend(struct error_queue *q, struct error_job *job, const struct error_correction *c,
                 const struct profile *p, struct reading *r)
{
	if (r->fate != FATE_PENDING && c->set_count > 0) {
		if (r->meter_ts_ms == 0 && job->entry.meter_ts_ms != 0)
			r->meter_ts_ms = job->entry.meter_ts_ms;
		r->fate = FATE_PENDING;
		r->channel_count = 0;
	}
	r->flags |= READING_F_CORRECTED;
	if (!correction_apply(q->config.channels, p, c, r, job->attempt.why)) {
		job->attempt.outcome = ERROR_KEPT;
		return false;
	}
	if (r->fate == FATE_PENDING && (r->meter_ts_ms == 0 || r->channel_count == 0)) {
		job_keep(job, "the bytes give no %s: set it as well",
		         r->meter_ts_ms == 0 ? "time" : "value");
		return false;
	}
	return true;
}

static bool judge(struct error_queue *q, struct error_job *job, const struct error_correction *c,
                  const struct profile *p, struct reading *r)
{
	if (c && !mend(q, job, c, p, r))
		return false;
	if (r->fate != FATE_PENDING) {
		job_keep(job, "%s: %s (in these bytes alone)", fate_info[r->fate].name,
		         fate_info[r->fate].help);
		return false;
	}
	if (r->id_bytes == 0) {
		job_keep(job, "the bytes give no device: set it as well");
		return false;
	}
	return judge_device(q, job, r) && judge_age(job, r, p);
}

/* The id as it came, for bytes that don't give it. */
static const char *device_of(const struct error_job *job, const struct error_correction *c,
                             const struct reading *r, char id[DEVICE_ID_BYTES + 1])
{
	if (c && c->device)
		return c->device;
	if (r->id_bytes > 0 || job->entry.device_id_bytes == 0)
		return NULL;
	snprintf(id, DEVICE_ID_BYTES + 1, "%.*s", (int)job->entry.device_id_bytes,
	         job->entry.device_id);
	return id;
}

static bool start_payload(struct error_job *job)
{
	job->payload_capacity = REPLAY_PAYLOAD_MAX;
	job->payload = malloc(job->payload_capacity);
	if (!job->payload)
		job_keep(job, "no memory");
	return job->payload != NULL;
}

bool job_prepare(struct error_queue *q, struct error_job *job, const struct error_correction *c)
{
	const struct profile *p;
	char id[DEVICE_ID_BYTES + 1];

	job->vouched = c != NULL;
	if (job->entry.fate == FATE_CONFLICT && !c) {
		job_keep(job, "conflict: the reading that was stored first stays; correct this one "
		              "or discard it");
		return false;
	}
	if (!start_payload(job) || (job->count = decode_job(q, job, c, &p)) == 0)
		return false;
	job->count = select_readings(q, job, job->count);
	if (c && (c->set_count > 0 || c->device) && job->count > 1) {
		job_keep(job, "the message has %u readings: correct it with a payload", job->count);
		return false;
	}
	if (!place_ids(q, job, job->count, device_of(job, c, &q->decoded[0], id)))
		return false;
	for (uint32_t i = 0; i < job->count; i++)
		if (!judge(q, job, c, p, &q->decoded[i]))
			return false;
	job->device = q->decoded[0].device;
	job->meter_ts_ms = q->decoded[0].meter_ts_ms;
	return true;
}
