/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /bills/ID: a closed bill with its adjustments; with a tariff, what the bill would be.
 * GET /bills: those of a month. GET /billing, POST /billing/run, /billing/review: the work.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/api/bills_priv.h"
#include "control/api/invoice_text.h"
#include "control/api/topics.h"

static const char *month_of(const struct api_request *request)
{
	const char *month = api_parameter(request, "month");
	return month ? month : "";
}

static const char *prefix_of(const struct api_request *request)
{
	const char *prefix = api_parameter(request, "prefix");
	return prefix ? prefix : "";
}

static void put_document(struct api_reply *reply, json_t *document)
{
	char *text = json_dumps(document, JSON_COMPACT);
	if (text)
		text_add(&reply->text, "%s\n", text);
	else
		reply->text.failed = true;
	free(text);
	json_decref(document);
}

/* In the form that was asked for. */
static void put_bill(const struct api_request *request, struct api_reply *reply, json_t *bill)
{
	const char *format = api_parameter(request, "format");
	if (!format || strcmp(format, "json") == 0) {
		put_document(reply, bill);
		return;
	}
	if (strcmp(format, "csv") == 0) {
		reply->content_type = "text/csv; charset=utf-8";
		invoice_put_csv(&reply->text, bill);
	} else if (strcmp(format, "html") == 0) {
		reply->content_type = "text/html; charset=utf-8";
		invoice_put_html(&reply->text, bill);
	} else {
		api_problem(reply, 400, "Bad parameter", "give json, csv or html",
		            "format is '%.20s'", format);
	}
	json_decref(bill);
}

static void refuse(struct api_reply *reply, const char *month, enum result result,
                   const struct error *err)
{
	if (result == RESULT_INPUT && invoices_is_month(month))
		api_problem(reply, 409, "Not billable", "see: headrace usage METER --by day",
		            "%s", err->text);
	else
		api_failed(reply, result, err);
}

/* False: a problem was answered. */
static bool name_of(const struct api_request *request, struct api_reply *reply,
                    struct bill_name *name)
{
	uint64_t number;
	if (!api_number(request, reply, "number", 0, 99, 0, &number))
		return false;
	*name = (struct bill_name){
	    .id = request->rest, .month = month_of(request), .number = (unsigned)number};
	return true;
}

static void api_bill_trace(const struct api_request *request, struct api_reply *reply)
{
	json_t *trace;
	struct bill_name name;
	struct error err;
	if (!name_of(request, reply, &name))
		return;
	enum result result = invoices_pieces(request->context->invoices, &name,
	                                     api_parameter(request, "tariff"), &trace, &err);
	if (result == RESULT_OK)
		put_document(reply, trace);
	else
		refuse(reply, name.month, result, &err);
}

static void api_bill(const struct api_request *request, struct api_reply *reply)
{
	struct invoices *iv = request->context->invoices;
	const char *tariff = api_parameter(request, "tariff");
	json_t *document;
	struct bill_name name;
	struct error err;
	if (!name_of(request, reply, &name))
		return;
	enum result result = tariff ? invoices_draw(iv, &name, tariff, &document, &err)
	                            : invoices_get(iv, &name, &document, &err);
	if (result == RESULT_OK)
		put_bill(request, reply, document);
	else
		refuse(reply, name.month, result, &err);
}

struct list {
	struct text *text;
	uint64_t count, limit;
	bool more;
};

static bool on_bill(void *context, const char *text, size_t bytes)
{
	struct list *l = context;
	if (l->count == l->limit) {
		l->more = true;
		return false;
	}
	text_add(l->text, "%s\n", l->count ? "," : "");
	text_put(l->text, text, bytes);
	l->count++;
	return !l->text->failed;
}

static void list_of(const struct api_request *request, struct api_reply *reply, const char *id)
{
	json_t *bills;
	struct error err;
	enum result result =
	    invoices_list_of(request->context->invoices, month_of(request), id, &bills, &err);
	if (result != RESULT_OK) {
		api_failed(reply, result, &err);
		return;
	}
	put_document(reply, json_pack("{s:o, s:I, s:b}", "bills", bills, "count",
	                              (json_int_t)json_array_size(bills), "more", 0));
}

static void api_bills(const struct api_request *request, struct api_reply *reply)
{
	struct list l = {.text = &reply->text};
	const char *id = api_parameter(request, "id");
	struct error err;
	if (id) {
		list_of(request, reply, id);
		return;
	}
	if (!api_number(request, reply, "limit", 1, 10000, 100, &l.limit))
		return;
	text_add(&reply->text, "{\"bills\":[");
	enum result result = invoices_list(request->context->invoices, month_of(request),
	                                   prefix_of(request), on_bill, &l, &err);
	if (result != RESULT_OK)
		api_failed(reply, result, &err);
	else
		text_add(&reply->text, "],\"count\":%" PRIu64 ",\"more\":%s}\n", l.count,
		         l.more ? "true" : "false");
}

static void api_billing(const struct api_request *request, struct api_reply *reply)
{
	static const char *const works[] = {"none", "run", "review"};
	struct invoices_status s;
	invoices_status_get(request->context->invoices, &s);
	text_add(&reply->text,
	         "{\"work\":\"%s\",\"running\":%s,\"month\":\"%s\",\"tariff\":\"%s\","
	         "\"total\":%" PRIu64 ",\"done\":%" PRIu64 ",\"closed\":%" PRIu64
	         ",\"kept\":%" PRIu64 ",\"not_billed\":%" PRIu64 ",\"adjusted\":%" PRIu64
	         ",\"elapsed_ms\":%" PRIu64 ",\"cpu_ms\":%" PRIu64 ",\"failure\":",
	         works[s.work], s.running ? "true" : "false", s.month, s.tariff, s.total, s.done,
	         s.closed, s.kept, s.not_billed, s.adjusted, s.elapsed_us / 1000, s.cpu_us / 1000);
	text_json(&reply->text, s.failure, strlen(s.failure));
	text_add(&reply->text, "}\n");
}

static void begin(const struct api_request *request, struct api_reply *reply,
                  enum invoices_work work)
{
	const char *tariff = api_parameter(request, "tariff");
	struct error err;
	enum result result = invoices_begin(request->context->invoices, work, month_of(request),
	                                    tariff ? tariff : "", prefix_of(request), &err);
	if (result == RESULT_OK)
		api_billing(request, reply);
	else
		api_failed(reply, result, &err);
}

static void api_billing_run(const struct api_request *request, struct api_reply *reply)
{
	begin(request, reply, INVOICES_RUN);
}

static void api_billing_review(const struct api_request *request, struct api_reply *reply)
{
	begin(request, reply, INVOICES_REVIEW);
}

/* --- routes --- */

/* clang-format off */
#define MONTH {"month", "month!", "of the bills"}
#define ID {"id", "string", "of the service point or meter; of a meter at a point: the point's bill"}
#define NUMBER {"number", "int", "of a point's bills of the month: one for each customer; default "\
                "the first"}
#define PREFIX {"prefix", "string", "the beginning of the id of the point or meter"}

const struct api_topic api_topic_bills = {
    .name = "billing",
    .about = "Bills, and the runs that make them",
    .routes = (const struct api_route[]){
	{"GET", "/bills", api_bills, API_VIEWER,
	 .summary = "The bills of a month",
	 .parameters = API_PARAMETERS(
	     MONTH, PREFIX,
	     {"id", "string", "only those of this service point or meter, or of the meter's point"},
	     {"limit", "int", "at most so many, 1 to 10000; default 100"}),
	 .answers = API_ANSWERS({200, API_JSON, "{bills:[Bill] count:int more:bool}"})},
	{"GET", "/bills/{id}", api_bill, API_VIEWER,
	 .summary = "A closed bill with its adjustments; with a tariff, what it would be",
	 .parameters = API_PARAMETERS(ID, MONTH, NUMBER,
	                              {"tariff", "string", "draw the bill by this one"},
	                              {"format", "'json'|'csv'|'html'",
	                               "html: a page to print; default json"}),
	 .answers = API_ANSWERS({200, API_JSON | API_CSV | API_HTML, "Bill"})},
	{"GET", "/bills/{id}/trace", api_bill_trace, API_VIEWER,
	 .summary = "The intervals and readings that each line of a bill was made of",
	 .parameters = API_PARAMETERS(ID, MONTH, NUMBER,
	                              {"tariff", "string", "that of the closed bill if left out"}),
	 .answers = API_ANSWERS({200, API_JSON, "BillTrace"})},
	{"GET", "/bills/export", api_bills_export, API_VIEWER,
	 .summary = "All bills of a month with their adjustments, as one stream",
	 .parameters = API_PARAMETERS(MONTH, PREFIX,
	                              {"format", "'csv'|'ndjson'", "default csv"}),
	 .answers = API_ANSWERS({200, API_CSV | API_NDJSON, "Bill"})},
	{"GET", "/billing", api_billing, API_VIEWER,
	 .summary = "The run or review under way, or the last one",
	 .answers = API_ANSWERS({200, API_JSON, "Billing"})},
	{"POST", "/billing/run", api_billing_run, API_OPERATOR,
	 .summary = "Close the bills of a month",
	 .parameters = API_PARAMETERS(
	     MONTH, {"tariff", "string", "where a service point names none, and of meters at no point"},
	     PREFIX),
	 .answers = API_ANSWERS({200, API_JSON, "Billing"})},
	{"POST", "/billing/review", api_billing_review, API_OPERATOR,
	 .summary = "Make adjustments of bills whose values have changed since",
	 .parameters = API_PARAMETERS(
	     MONTH, PREFIX),
	 .answers = API_ANSWERS({200, API_JSON, "Billing"})},
	{0}},
    .shapes = (const struct api_shape[]){
	{"Bill", "{meter:string month:month state:string service_point?:string number?:int of?:int "
	 "customer?:string customer_name?:string customer_address?:string ...}",
	 "A bill; amounts are exact. Of a service point with its meters' registers; one for each "
	 "customer of the month"},
	{"BillTrace", "{meter:string month:month tariff:string rules:int as_closed:bool "
	 "digest:string service_point?:string pieces:[BillPiece] ...}",
	 "Where a bill's energy comes from"},
	{"BillPiece", "{line:int what:string start:time kwh:decimal interval_kwh:decimal "
	 "source:string ...}", "A piece of an interval, its meter at the beginning and at the end, "
	 "and the readings around it"},
	{"Billing", "{work:'none'|'run'|'review' running:bool month:string tariff:string "
	 "total:int done:int closed:int kept:int not_billed:int adjusted:int failure:string ...}",
	 "How far a run or review is"},
	{0}},
};
/* clang-format on */
