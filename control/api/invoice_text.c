/* SPDX-License-Identifier: Apache-2.0 */
#include "control/api/invoice_text.h"

#include <stdio.h>
#include <string.h>

static const char *str(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static bool is_state(const json_t *bill, const char *state)
{
	return strcmp(str(bill, "state"), state) == 0;
}

/* What a bill comes to with its adjustments. */
static const char *final_total(const json_t *bill)
{
	const json_t *adjustments = json_object_get(bill, "adjustments");
	size_t count = json_array_size(adjustments);
	return count ? str(json_array_get(adjustments, count - 1), "total") : str(bill, "total");
}

/* --- CSV --- */

static void put_cells(struct text *t, const char *const *cells, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		text_put(t, ",", i > 0);
		text_csv(t, cells[i]);
	}
	text_put(t, "\r\n", 2);
}

/* A row of a bill: its own cells, and behind them whose bill it is. */
struct csv_row {
	const char *meter; /* NULL: the bill's */
	const char *kind, *what, *version, *tier, *quantity, *unit, *price, *multiplier, *amount;
	const char *tariff, *from, *to, *begin, *end, *ratio;
};

static const char *or_none(const char *text)
{
	return text ? text : "";
}

static void put_csv_row(struct text *t, const json_t *bill, const struct csv_row *r)
{
	const char *cells[] = {r->meter ? r->meter : str(bill, "meter"),
	                       str(bill, "month"),
	                       r->kind,
	                       or_none(r->what),
	                       or_none(r->version),
	                       or_none(r->tier),
	                       or_none(r->quantity),
	                       or_none(r->unit),
	                       or_none(r->price),
	                       or_none(r->multiplier),
	                       or_none(r->amount),
	                       str(bill, "currency"),
	                       or_none(r->tariff),
	                       or_none(r->from),
	                       or_none(r->to),
	                       or_none(r->begin),
	                       or_none(r->end),
	                       or_none(r->ratio),
	                       str(bill, "service_point"),
	                       str(bill, "customer"),
	                       str(bill, "customer_name"),
	                       str(bill, "customer_address")};
	put_cells(t, cells, sizeof cells / sizeof cells[0]);
}

static void put_csv_line(struct text *t, const json_t *bill, const json_t *line)
{
	bool fixed = json_object_get(line, "charge") != NULL;
	char version[24], tier[24] = "", days[24];
	snprintf(version, sizeof version, "%lld", (long long)number(line, "tariff_version"));
	if (!fixed)
		snprintf(tier, sizeof tier, "%lld", (long long)number(line, "tier"));
	snprintf(days, sizeof days, "%lld", (long long)number(line, "days"));
	put_csv_row(t, bill,
	            &(struct csv_row){.kind = fixed ? "fixed" : "energy",
	                              .what = str(line, fixed ? "charge" : "period"),
	                              .version = version,
	                              .tier = tier,
	                              .quantity = fixed ? days : str(line, "kwh"),
	                              .unit = fixed ? "day" : "kWh",
	                              .price = str(line, "price"),
	                              .multiplier = str(line, "multiplier"),
	                              .amount = str(line, "amount"),
	                              .tariff = str(line, "tariff")});
}

/* What a register said at both ends; "" where it was not read. */
static void put_csv_register(struct text *t, const json_t *bill, const json_t *r)
{
	const json_t *begin = json_object_get(r, "begin"), *end = json_object_get(r, "end");
	put_csv_row(t, bill,
	            &(struct csv_row){.meter = str(r, "meter"),
	                              .kind = "register",
	                              .quantity = str(r, "kwh"),
	                              .unit = *str(r, "kwh") ? "kWh" : "",
	                              .from = str(begin, "time"),
	                              .to = str(end, "time"),
	                              .begin = str(begin, "kwh"),
	                              .end = str(end, "kwh"),
	                              .ratio = str(r, "ratio")});
}

void invoice_put_csv(struct text *t, const json_t *bill)
{
	json_t *entry;
	size_t i;
	text_add(t, "meter,month,kind,what,tariff_version,tier,quantity,unit,price,multiplier,"
	            "amount,currency,tariff,from,to,begin_kwh,end_kwh,ratio,service_point,customer,"
	            "customer_name,customer_address\r\n");
	if (is_state(bill, "not_billed")) {
		put_csv_row(t, bill,
		            &(struct csv_row){.kind = "not_billed", .what = str(bill, "cause")});
		return;
	}
	json_array_foreach(json_object_get(bill, "registers"), i, entry)
		put_csv_register(t, bill, entry);
	json_array_foreach(json_object_get(bill, "lines"), i, entry)
		put_csv_line(t, bill, entry);
	put_csv_row(t, bill,
	            &(struct csv_row){.kind = "total",
	                              .quantity = str(bill, "kwh"),
	                              .unit = "kWh",
	                              .amount = str(bill, "total"),
	                              .tariff = str(bill, "tariff"),
	                              .from = str(bill, "from"),
	                              .to = str(bill, "to")});
	json_array_foreach(json_object_get(bill, "adjustments"), i, entry)
		put_csv_row(t, bill,
		            &(struct csv_row){.kind = "adjustment",
		                              .what = "values or dates corrected",
		                              .quantity = str(entry, "kwh"),
		                              .unit = "kWh",
		                              .amount = str(entry, "difference"),
		                              .tariff = str(entry, "tariff"),
		                              .from = str(entry, "from"),
		                              .to = str(entry, "to")});
}

void invoice_put_row_header(struct text *t)
{
	text_add(t, "meter,service_point,customer,month,state,tariff,currency,from,to,kwh,exact,"
	            "total,adjustments,total_with_adjustments,completeness,estimated_intervals,"
	            "cause,number,customer_name,customer_address\r\n");
}

static json_int_t estimated(const json_t *bill)
{
	json_t *gap;
	json_int_t sum = 0;
	size_t i;
	json_array_foreach(json_object_get(bill, "estimates"), i, gap)
		sum += number(gap, "intervals");
	return sum;
}

void invoice_put_row(struct text *t, const json_t *bill)
{
	bool billed = !is_state(bill, "not_billed");
	char adjustments[24] = "", intervals[24] = "", which[24] = "";
	if (json_object_get(bill, "number"))
		snprintf(which, sizeof which, "%lld", (long long)number(bill, "number"));
	if (billed) {
		snprintf(adjustments, sizeof adjustments, "%zu",
		         json_array_size(json_object_get(bill, "adjustments")));
		snprintf(intervals, sizeof intervals, "%lld", (long long)estimated(bill));
	}
	const char *cells[] = {str(bill, "meter"),    str(bill, "service_point"),
	                       str(bill, "customer"), str(bill, "month"),
	                       str(bill, "state"),    str(bill, "tariff"),
	                       str(bill, "currency"), str(bill, "from"),
	                       str(bill, "to"),       str(bill, "kwh"),
	                       str(bill, "exact"),    str(bill, "total"),
	                       adjustments,           final_total(bill),
	                       str(bill, "completeness"), intervals,
	                       str(bill, "cause"),
	                       which,
	                       str(bill, "customer_name"),
	                       str(bill, "customer_address")};
	put_cells(t, cells, sizeof cells / sizeof cells[0]);
}

/* --- HTML --- */

static const char style[] =
    "@page{size:A4;margin:18mm}"
    "body{font:10.5pt/1.45 system-ui,sans-serif;color:#111;max-width:46rem;margin:2rem auto;"
    "padding:0 1rem}"
    "h1{font-size:18pt;margin:0}h2{font-size:11.5pt;margin:1.6em 0 .4em}"
    "header{display:flex;justify-content:space-between;border-bottom:2px solid #111;"
    "padding-bottom:.6em;margin-bottom:1.2em}"
    "header p{margin:0;text-align:right}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.15em 1.2em;margin:0}"
    "dt{color:#555}dd{margin:0}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{padding:.3em .5em;text-align:left;border-bottom:1px solid #ccc;vertical-align:top}"
    "th{border-bottom:1.5px solid #111;font-weight:600}"
    ".n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    "tfoot td{border-bottom:0;border-top:1.5px solid #111;font-weight:700;font-size:12pt}"
    ".note{color:#555;font-size:9pt}tr{break-inside:avoid}"
    "thead{display:table-header-group}"
    "@media print{body{margin:0;max-width:none;padding:0}}";

/* Text between tags or in a quoted attribute. */
static void esc(struct text *t, const char *value)
{
	for (const char *c = value; *c; c++) {
		if (*c == '&')
			text_add(t, "&amp;");
		else if (*c == '<')
			text_add(t, "&lt;");
		else if (*c == '>')
			text_add(t, "&gt;");
		else if (*c == '"')
			text_add(t, "&quot;");
		else if (*c == '\'')
			text_add(t, "&#39;");
		else
			text_put(t, c, 1);
	}
}

static void put_pair(struct text *t, const char *name, const char *value)
{
	if (!*value)
		return;
	text_add(t, "<dt>%s</dt><dd>", name);
	esc(t, value);
	text_add(t, "</dd>\n");
}

static void put_cell(struct text *t, bool is_number, const char *value)
{
	text_add(t, is_number ? "<td class=\"n\">" : "<td>");
	esc(t, value);
	text_add(t, "</td>");
}

/* Zeros behind the point that say nothing go: "12.340000" is 12.34. */
static const char *trimmed(const char *value, unsigned least, char out[64])
{
	snprintf(out, 64, "%s", value);
	const char *point = strchr(out, '.');
	size_t end = strlen(out);
	while (point && end > (size_t)(point - out) + 1 + least && out[end - 1] == '0')
		end--;
	if (point && least == 0 && end == (size_t)(point - out) + 1)
		end--;
	out[end] = '\0';
	return out;
}

/* "2025-06-15 14:15 UTC". */
static const char *moment(const char *time, char out[64])
{
	snprintf(out, 64, "%.10s %.5s UTC", time, strlen(time) > 16 ? time + 11 : "");
	return out;
}

static void put_head(struct text *t, const json_t *bill)
{
	text_add(t, "<header><h1>Invoice</h1><p><b>");
	esc(t, *str(bill, "service_point") ? str(bill, "service_point") : str(bill, "meter"));
	text_add(t, "</b> &middot; ");
	esc(t, str(bill, "month"));
	if (number(bill, "of") > 1)
		text_add(t, " &middot; bill %lld of %lld", (long long)number(bill, "number"),
		         (long long)number(bill, "of"));
	text_add(t, "<br>%s</p></header>\n<dl>\n",
	         is_state(bill, "closed") ? "closed" : "draft: not closed yet");
	put_pair(t, "Customer", str(bill, "customer_name"));
	put_pair(t, "Customer number", str(bill, "customer"));
	put_pair(t, "Billing address", str(bill, "customer_address"));
	put_pair(t, "Service point", str(bill, "service_point"));
	put_pair(t, "Delivered to", str(bill, "address"));
	put_pair(t, "Meter", str(bill, "meter"));
	text_add(t, "<dt>Period</dt><dd>");
	esc(t, str(bill, "from"));
	text_add(t, " to before ");
	esc(t, str(bill, "to"));
	text_add(t, " (");
	esc(t, str(bill, "timezone"));
	text_add(t, ")");
	if (number(bill, "days") < number(bill, "period_days"))
		text_add(t, ", %lld of %lld days", (long long)number(bill, "days"),
		         (long long)number(bill, "period_days"));
	text_add(t, "</dd>\n");
	put_pair(t, "Tariff", str(bill, "tariff"));
	text_add(t, "</dl>\n");
}

static void put_read(struct text *t, const json_t *shown)
{
	char text[64];
	if (!json_is_object(shown)) {
		text_add(t, "<td colspan=\"2\" class=\"note\">not read</td>");
		return;
	}
	put_cell(t, false, moment(str(shown, "time"), text));
	put_cell(t, true, trimmed(str(shown, "kwh"), 2, text));
}

static void put_registers(struct text *t, const json_t *bill)
{
	json_t *r;
	size_t i;
	char text[64];
	if (json_array_size(json_object_get(bill, "registers")) == 0)
		return;
	text_add(t, "<h2>Register readings</h2>\n<table><thead><tr><th>Meter</th><th>Begin</th>"
	            "<th class=\"n\">kWh</th><th>End</th><th class=\"n\">kWh</th>"
	            "<th class=\"n\">Ratio</th><th class=\"n\">Energy, kWh</th></tr></thead>"
	            "<tbody>\n");
	json_array_foreach(json_object_get(bill, "registers"), i, r)
	{
		text_add(t, "<tr>");
		put_cell(t, false, str(r, "meter"));
		put_read(t, json_object_get(r, "begin"));
		put_read(t, json_object_get(r, "end"));
		put_cell(t, true, *str(r, "ratio") ? str(r, "ratio") : "1");
		put_cell(t, true, trimmed(str(r, "kwh"), 2, text));
		text_add(t, "</tr>\n");
	}
	text_add(t, "</tbody></table>\n");
}

static void put_line(struct text *t, const json_t *line)
{
	char text[64], days[64], name[128];
	text_add(t, "<tr><td>");
	if (json_object_get(line, "charge")) {
		esc(t, str(line, "charge"));
		text_add(t, "</td>");
		snprintf(days, sizeof days, "%lld days", (long long)number(line, "days"));
		put_cell(t, true, days);
		put_cell(t, true, "");
		put_cell(t, true, "");
	} else {
		text_add(t, "Energy, tier %lld, ", (long long)number(line, "tier"));
		esc(t, str(line, "period"));
		text_add(t, "</td>");
		snprintf(days, sizeof days, "%s kWh", trimmed(str(line, "kwh"), 2, text));
		put_cell(t, true, days);
		put_cell(t, true, trimmed(str(line, "price"), 2, text));
		put_cell(t, true, trimmed(str(line, "multiplier"), 1, text));
	}
	snprintf(name, sizeof name, "%s%s%lld", str(line, "tariff"),
	         *str(line, "tariff") ? " " : "", (long long)number(line, "tariff_version"));
	put_cell(t, true, name);
	put_cell(t, true, trimmed(str(line, "amount"), 2, text));
	text_add(t, "</tr>\n");
}

static void put_lines(struct text *t, const json_t *bill)
{
	json_t *line;
	size_t i;
	char text[64];
	text_add(t, "<h2>Charges</h2>\n<table><thead><tr><th>What</th><th class=\"n\">Quantity</th>"
	            "<th class=\"n\">Price</th><th class=\"n\">&times;</th>"
	            "<th class=\"n\">Tariff</th><th class=\"n\">Amount</th></tr></thead>"
	            "<tbody>\n");
	json_array_foreach(json_object_get(bill, "lines"), i, line)
		put_line(t, line);
	text_add(t, "</tbody><tfoot><tr><td>Total</td><td class=\"n\">");
	esc(t, trimmed(str(bill, "kwh"), 2, text));
	text_add(t, " kWh</td><td colspan=\"3\"></td><td class=\"n\">");
	esc(t, str(bill, "total"));
	text_add(t, " ");
	esc(t, str(bill, "currency"));
	text_add(t, "</td></tr></tfoot></table>\n"
	            "<p class=\"note\">Amounts are exact; the total of ");
	esc(t, trimmed(str(bill, "exact"), 2, text));
	text_add(t, " is rounded once, half up.</p>\n");
}

static void put_adjustments(struct text *t, const json_t *bill)
{
	json_t *a;
	size_t i;
	char text[64];
	const json_t *all = json_object_get(bill, "adjustments");
	if (json_array_size(all) == 0)
		return;
	text_add(t, "<h2>Adjustments</h2>\n<table><thead><tr><th>Number</th>"
	            "<th class=\"n\">kWh before</th><th class=\"n\">kWh</th>"
	            "<th class=\"n\">Total before</th><th class=\"n\">Total</th>"
	            "<th class=\"n\">Difference</th></tr></thead><tbody>\n");
	json_array_foreach(all, i, a)
	{
		text_add(t, "<tr><td>%lld</td>", (long long)number(a, "number"));
		put_cell(t, true, trimmed(str(a, "kwh_was"), 2, text));
		put_cell(t, true, trimmed(str(a, "kwh"), 2, text));
		put_cell(t, true, trimmed(str(a, "total_was"), 2, text));
		put_cell(t, true, trimmed(str(a, "total"), 2, text));
		put_cell(t, true, trimmed(str(a, "difference"), 2, text));
		text_add(t, "</tr>\n");
	}
	text_add(t, "</tbody><tfoot><tr><td colspan=\"5\">To be paid with adjustments</td>"
	            "<td class=\"n\">");
	esc(t, final_total(bill));
	text_add(t, " ");
	esc(t, str(bill, "currency"));
	text_add(t, "</td></tr></tfoot></table>\n");
}

static void put_estimates(struct text *t, const json_t *bill)
{
	json_t *gap;
	size_t i;
	char text[64];
	const json_t *all = json_object_get(bill, "estimates");
	if (json_array_size(all) == 0)
		return;
	text_add(t, "<h2>Estimated values</h2>\n<table><thead><tr><th>From</th><th>To</th>"
	            "<th class=\"n\">Intervals</th><th>How</th>"
	            "<th class=\"n\">kWh</th></tr></thead><tbody>\n");
	json_array_foreach(all, i, gap)
	{
		text_add(t, "<tr>");
		put_cell(t, false, moment(str(gap, "from"), text));
		put_cell(t, false, moment(str(gap, "to"), text));
		text_add(t, "<td class=\"n\">%lld</td>", (long long)number(gap, "intervals"));
		put_cell(t, false, str(gap, "how"));
		put_cell(t, true, trimmed(str(gap, "kwh"), 2, text));
		text_add(t, "</tr>\n");
	}
	text_add(t, "</tbody></table>\n");
}

void invoice_put_html(struct text *t, const json_t *bill)
{
	text_add(t, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	            "<meta name=\"viewport\" content=\"width=device-width\"><title>Invoice ");
	esc(t, *str(bill, "service_point") ? str(bill, "service_point") : str(bill, "meter"));
	text_add(t, ", ");
	esc(t, str(bill, "month"));
	text_add(t, "</title><style>%s</style></head>\n<body>\n", style);
	if (is_state(bill, "not_billed")) {
		text_add(t, "<h1>Not billed</h1>\n<dl>\n");
		put_pair(t, "Customer", str(bill, "customer"));
		put_pair(t, "Service point", str(bill, "service_point"));
		put_pair(t, "Meter", str(bill, "meter"));
		put_pair(t, "Month", str(bill, "month"));
		put_pair(t, "Why", str(bill, "cause"));
		text_add(t, "</dl>\n</body></html>\n");
		return;
	}
	put_head(t, bill);
	put_registers(t, bill);
	put_lines(t, bill);
	put_adjustments(t, bill);
	put_estimates(t, bill);
	text_add(t, "<p class=\"note\">");
	esc(t, str(bill, "completeness"));
	text_add(t, " %% of the intervals are actual values; rules of estimation: version %lld; "
	            "digest ", (long long)number(bill, "rules"));
	esc(t, str(bill, "digest"));
	text_add(t, "</p>\n</body></html>\n");
}
