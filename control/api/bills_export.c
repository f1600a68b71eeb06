/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /bills/export: all bills of a month as one stream, CSV or JSON lines, each with its
 * adjustments; points first, by id, in bounded memory.
 *
 * Thread: the request's. Memory: a part of the references, and the text of one bill.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "control/api/bills_priv.h"
#include "control/api/invoice_text.h"

#define PART_BILLS 256u

struct bills_export {
	struct invoices *invoices;
	const atomic_bool *stopping;
	char month[MONTH_BYTES], prefix[DEVICE_ID_BYTES + 1];
	bool csv, ended;
	char refs[PART_BILLS][BILL_REF_BYTES];
	uint32_t count, next;
	struct text text;
	size_t sent;
};

static bool on_ref(void *context, const char *ref)
{
	struct bills_export *e = context;
	snprintf(e->refs[e->count++], sizeof e->refs[0], "%s", ref);
	return e->count < PART_BILLS;
}

static enum result next_part(struct bills_export *e, struct error *err)
{
	char after[BILL_REF_BYTES] = "";
	if (e->count > 0)
		memcpy(after, e->refs[e->count - 1], sizeof after);
	e->count = e->next = 0;
	enum result result = invoices_list_after(e->invoices, e->month, e->prefix, after, on_ref,
	                                         e, err);
	e->ended = result == RESULT_OK && e->count == 0;
	return result;
}

static void put(struct bills_export *e, json_t *bill)
{
	if (e->csv) {
		invoice_put_row(&e->text, bill);
	} else {
		char *text = json_dumps(bill, JSON_COMPACT);
		if (text)
			text_add(&e->text, "%s\n", text);
		else
			e->text.failed = true;
		free(text);
	}
	json_decref(bill);
}

/* The next bill's text. */
static enum result step(struct bills_export *e, struct error *err)
{
	json_t *bill;
	enum result result = e->next == e->count ? next_part(e, err) : RESULT_OK;
	if (result != RESULT_OK || e->ended)
		return result;
	result = invoices_get_ref(e->invoices, e->month, e->refs[e->next++], &bill, err);
	if (result == RESULT_OK)
		put(e, bill);
	return result == RESULT_ABSENT ? RESULT_OK : result;
}

static ssize_t more(void *context, char *to, size_t max)
{
	struct bills_export *e = context;
	struct error err;
	while (e->sent == e->text.used && !e->ended) {
		e->sent = e->text.used = 0;
		if (e->stopping && atomic_load_explicit(e->stopping, memory_order_relaxed))
			return API_STREAM_BROKEN;
		if (step(e, &err) != RESULT_OK || e->text.failed) {
			log_warning("api", "export of bills: %s",
			            e->text.failed ? "no memory" : err.text);
			return API_STREAM_BROKEN;
		}
	}
	size_t bytes = e->text.used - e->sent;
	if (bytes == 0)
		return API_STREAM_END;
	bytes = bytes < max ? bytes : max;
	memcpy(to, e->text.data + e->sent, bytes);
	e->sent += bytes;
	return (ssize_t)bytes;
}

static void end(void *context)
{
	struct bills_export *e = context;
	text_free(&e->text);
	free(e);
}

void api_bills_export(const struct api_request *request, struct api_reply *reply)
{
	const char *month = api_parameter(request, "month");
	const char *prefix = api_parameter(request, "prefix");
	const char *format = api_parameter(request, "format");
	bool csv = !format || strcmp(format, "csv") == 0;
	if (!month || !invoices_is_month(month)) {
		api_problem(reply, 400, "Bad parameter", "give a month, such as 2026-03",
		            "month is '%.20s'", month ? month : "");
		return;
	}
	if (!csv && strcmp(format, "ndjson") != 0) {
		api_problem(reply, 400, "Bad parameter", "give csv or ndjson", "format is '%.20s'",
		            format);
		return;
	}
	struct bills_export *e = calloc(1, sizeof *e);
	if (!e) {
		api_problem(reply, 503, "Out of resources", "try again later", "no memory");
		return;
	}
	e->invoices = request->context->invoices;
	e->stopping = request->stopping;
	e->csv = csv;
	snprintf(e->month, sizeof e->month, "%s", month);
	snprintf(e->prefix, sizeof e->prefix, "%s", prefix ? prefix : "");
	if (csv)
		invoice_put_row_header(&e->text);
	reply->content_type = csv ? "text/csv; charset=utf-8" : "application/x-ndjson";
	reply->stream = (struct api_stream){more, end, e};
}
