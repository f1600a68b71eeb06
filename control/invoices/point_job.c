/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bills of a service point in a run or a review: one for each customer of the month. Input: the
 * point's agreements as they are now, and the bills that are kept. Output: documents to be kept.
 *
 * Closed bills and customers are matched: by days, else in order. A customer without a bill gets
 * one, when none of the days are on a closed bill; a closed bill whose customer was not there, as
 * is known now, is adjusted to nothing. So corrected dates bill no day twice and lose none: the
 * review changes the bills that are closed, the next run adds those that are missing.
 *
 * Thread: the job's. Memory: the job's, and the documents while they are compared.
 */
#include <stdio.h>
#include <string.h>

#include "control/invoices/run_priv.h"

#define NO_PART UINT32_MAX

struct point_work {
	struct job *job;
	const struct service_point *point;
	struct bill_subject subject; /* of the bill at hand */
	struct point_bills bills;
	uint32_t part_of[POINT_BILLS_MAX]; /* of a closed bill; NO_PART: of none now */
	uint32_t part_count;
	struct point_part parts[POINT_PARTS_MAX];
	bool billed[POINT_PARTS_MAX]; /* there is a closed bill */
};

static bool overlap(const struct point_bill *b, const struct point_part *part)
{
	int32_t from_day, end_day;
	return document_days(b->document, b->adjustments, &from_day, &end_day, NULL) == RESULT_OK &&
	       from_day < part->end_day && part->from_day < end_day;
}

/* A customer's bills and stays: first those that share days, then what is left in order. */
static void match_those(struct point_work *w, bool sharing_days)
{
	for (uint32_t i = 0; i < w->bills.count; i++) {
		const struct point_bill *b = &w->bills.list[i];
		const char *customer = document_text(b->document, "customer");
		for (uint32_t k = 0; k < w->part_count && b->closed; k++) {
			if (w->part_of[i] != NO_PART || w->billed[k] ||
			    strcmp(w->parts[k].customer, customer) != 0 ||
			    (sharing_days && !overlap(b, &w->parts[k])))
				continue;
			w->billed[k] = true;
			w->part_of[i] = k;
		}
	}
}

static void match(struct point_work *w)
{
	for (uint32_t i = 0; i < w->bills.count; i++)
		w->part_of[i] = NO_PART;
	match_those(w, true);
	match_those(w, false);
}

/* On success point_bills_free. */
static enum result begin(struct job *job, const struct service_point *p, struct point_work *w)
{
	*w = (struct point_work){.job = job, .point = p};
	enum result result = subject_of_point(&w->subject, p, job->month, &job->err);
	if (result == RESULT_OK)
		result = point_bills_load(job->source->store, job->month, p->id, &w->bills,
		                          &job->err);
	if (result != RESULT_OK)
		return result;
	w->part_count =
	    point_parts(p, w->subject.period_from, w->subject.period_end, w->parts);
	match(w);
	return RESULT_OK;
}

static void choose(struct point_work *w, const struct point_part *part, unsigned number)
{
	w->subject.from_day = part->from_day;
	w->subject.end_day = part->end_day;
	memcpy(w->subject.customer, part->customer, sizeof w->subject.customer);
	subject_set_number(&w->subject, number);
}

/* --- run --- */

/* Is one of the point's meters billed by itself? Then `cause` says which. */
static enum result check_meters(const struct point_work *w, char cause[ERROR_TEXT_BYTES])
{
	const struct invoices_source *source = w->job->source;
	int64_t from_s = calendar_day_start_s(source->calendar, w->subject.period_from);
	int64_t end_s = calendar_day_start_s(source->calendar, w->subject.period_end);
	enum result result = RESULT_OK;
	for (uint32_t i = 0; i < w->point->installation_count && !*cause; i++) {
		const struct installation *in = &w->point->installations[i];
		char key[KEY_BYTES];
		json_t *bill = NULL;
		struct error err;
		if (in->from_s >= end_s || installation_end_s(in) <= from_s)
			continue;
		key_of_bill(key, w->job->month, in->meter);
		result = document_get(source->store, key, &bill, &err);
		if (result == RESULT_OK && strcmp(document_text(bill, "state"), "closed") == 0)
			snprintf(cause, ERROR_TEXT_BYTES,
			         "meter '%s' was billed by itself for %s already", in->meter,
			         w->job->month);
		json_decref(bill);
		if (result != RESULT_OK && result != RESULT_ABSENT) {
			w->job->err = err;
			return result;
		}
	}
	return RESULT_OK;
}

/* Are days of the part on a bill that is closed? Then `cause` says on which. */
static enum result check_days(const struct point_work *w, const struct point_part *part,
                              char cause[ERROR_TEXT_BYTES])
{
	for (uint32_t i = 0; i < w->bills.count && !*cause; i++) {
		const struct point_bill *b = &w->bills.list[i];
		int32_t from_day, end_day;
		if (!b->closed)
			continue;
		enum result result = document_days(b->document, b->adjustments, &from_day, &end_day,
		                                   &w->job->err);
		if (result != RESULT_OK)
			return result;
		if (from_day < part->end_day && part->from_day < end_day)
			snprintf(cause, ERROR_TEXT_BYTES,
			         "some of the days are on the closed bill %u, of customer '%s': "
			         "'headrace billing review' corrects that one first", b->number,
			         document_text(b->document, "customer"));
	}
	return RESULT_OK;
}

static enum result close_part(struct point_work *w, const struct point_part *part,
                              unsigned number, char cause[ERROR_TEXT_BYTES])
{
	struct job *job = w->job;
	char key[KEY_BYTES];
	choose(w, part, number);
	enum result result = *cause ? RESULT_OK : check_days(w, part, cause);
	if (result != RESULT_OK)
		return result;
	if (!*cause)
		return bill_job_close(job, &w->subject);
	key_of_bill(key, job->month, w->subject.ref);
	job->count.not_billed++;
	return bill_job_put(
	    job, key, document_not_billed(job->source, &w->subject, job->tariff, cause), false);
}

static bool is_taken(const struct point_work *w, unsigned number)
{
	for (uint32_t i = 0; i < w->bills.count; i++)
		if (w->bills.list[i].closed && w->bills.list[i].number == number)
			return true;
	return false;
}

/* What was not billed before, and has another number or none now. */
static enum result remove_rest(struct point_work *w, unsigned last)
{
	enum result result = RESULT_OK;
	for (uint32_t i = 0; i < w->bills.count && result == RESULT_OK; i++) {
		char key[KEY_BYTES];
		if (w->bills.list[i].closed || w->bills.list[i].number <= last)
			continue;
		subject_set_number(&w->subject, w->bills.list[i].number);
		key_of_bill(key, w->job->month, w->subject.ref);
		result = bill_job_put(w->job, key, NULL, true);
	}
	return result;
}

static enum result close_all(struct point_work *w)
{
	unsigned number = 0;
	char meter_cause[ERROR_TEXT_BYTES] = "";
	bool all = true;
	for (uint32_t k = 0; k < w->part_count; k++)
		all = all && w->billed[k];
	enum result result = all ? RESULT_OK : check_meters(w, meter_cause);
	for (uint32_t i = 0; i < w->bills.count; i++)
		w->job->count.kept += w->bills.list[i].closed;
	for (uint32_t k = 0; k < w->part_count && result == RESULT_OK; k++) {
		char cause[ERROR_TEXT_BYTES];
		if (w->billed[k])
			continue;
		do
			number++;
		while (is_taken(w, number));
		memcpy(cause, meter_cause, sizeof cause);
		result = number < POINT_BILLS_MAX
		             ? close_part(w, &w->parts[k], number, cause)
		             : fail(RESULT_INPUT, &w->job->err, "service point '%s' has too many "
		                    "bills of %s", w->point->id, w->job->month);
	}
	return result == RESULT_OK ? remove_rest(w, number) : result;
}

enum result point_job_close(struct job *job, const struct service_point *p)
{
	struct point_work w;
	enum result result = begin(job, p, &w);
	if (result != RESULT_OK)
		return result;
	result = close_all(&w);
	point_bills_free(&w.bills);
	return result;
}

/* --- review --- */

/* The customer was not there: nothing is to be paid. */
static enum result adjust_to_nothing(struct point_work *w, const struct point_bill *b)
{
	size_t count = json_array_size(b->adjustments);
	const json_t *last = count ? json_array_get(b->adjustments, count - 1) : b->document;
	if (strcmp(document_text(last, "digest"), "none") == 0) {
		w->job->count.kept++;
		return RESULT_OK;
	}
	json_t *nothing = json_pack("{s:O*, s:s, s:s, s:s, s:O*, s:O*, s:O*}", "meter",
	                            json_object_get(b->document, "meter"), "kwh", "0.000000",
	                            "total", "0.00", "digest", "none", "from",
	                            json_object_get(b->document, "from"), "to",
	                            json_object_get(b->document, "from"), "tariff",
	                            json_object_get(b->document, "tariff"));
	subject_set_number(&w->subject, b->number);
	enum result result =
	    bill_job_adjust(w->job, &w->subject, last, nothing, (unsigned)count + 1);
	json_decref(nothing);
	return result;
}

enum result point_job_review(struct job *job, const struct service_point *p)
{
	struct point_work w;
	enum result result = begin(job, p, &w);
	if (result != RESULT_OK)
		return result;
	for (uint32_t i = 0; i < w.bills.count && result == RESULT_OK; i++) {
		const struct point_bill *b = &w.bills.list[i];
		if (!b->closed)
			continue;
		if (w.part_of[i] == NO_PART) {
			result = adjust_to_nothing(&w, b);
			continue;
		}
		choose(&w, &w.parts[w.part_of[i]], b->number);
		result = bill_job_compare(job, &w.subject, b->document, b->adjustments);
	}
	point_bills_free(&w.bills);
	return result;
}
