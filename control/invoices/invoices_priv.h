/* SPDX-License-Identifier: Apache-2.0 */
/* Private to control/invoices. */
#ifndef HEADRACE_INVOICES_PRIV_H
#define HEADRACE_INVOICES_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "control/billing/bill.h"
#include "control/invoices/invoices.h"
#include "control/registry/service_point.h"
#include "control/usage/service_point.h"

#define KEY_BYTES       (32 + BILL_REF_BYTES)
#define POINT_MARK      '\x01'
#define POINT_BILLS_MAX 64 /* of a month: one for each customer, and those of customers who went */
#define POINT_PARTS_MAX 31

struct invoices {
	struct invoices_source source;
	pthread_mutex_t lock; /* of all below */
	struct invoices_status status;
	uint64_t begun_us; /* clock_mono_us */
	char prefix[DEVICE_ID_BYTES + 1];
	pthread_t thread;
	bool started; /* the thread has to be joined */
	atomic_bool stopping;
};

/* A month's local days. RESULT_INPUT: not a month. */
MUST_USE enum result month_days(const char *month, int32_t *from_day, int32_t *end_day,
                                struct error *err);

/* --- subject.c --- */

/* Whose bill, of which days: of a meter, or of a point's customer. */
struct bill_subject {
	const struct device *device;       /* NULL: a point's */
	const struct service_point *point; /* NULL: a meter's */
	const char *month;
	int32_t period_from, period_end; /* local days of the month */
	int32_t from_day, end_day;       /* of them those of the bill */
	char customer[CUSTOMER_ID_BYTES + 1]; /* of the point; "": nobody */
	unsigned number;                      /* of the point's bills of the month */
	char ref[BILL_REF_BYTES];             /* in the keys of the store */
};

MUST_USE enum result subject_of_meter(struct bill_subject *s, const struct device *device,
                                      const char *month, struct error *err);
/* All days of the month, number 1. */
MUST_USE enum result subject_of_point(struct bill_subject *s, const struct service_point *point,
                                      const char *month, struct error *err);
void subject_set_number(struct bill_subject *s, unsigned number);

/* Days with one customer. */
struct point_part {
	int32_t from_day, end_day;
	char customer[CUSTOMER_ID_BYTES + 1];
};
uint32_t point_parts(const struct service_point *p, int32_t from_day, int32_t end_day,
                     struct point_part parts[POINT_PARTS_MAX]);

/* Of the meters that were there between two instants the last; NULL: none was. */
const struct installation *point_last_meter(const struct service_point *p, int64_t from_s,
                                            int64_t end_s);

/* The point through which a meter is billed in a month: the last it was at. RESULT_ABSENT: it was
 * at none. */
MUST_USE enum result point_of_meter(const struct invoices_source *source, const char *meter,
                                    const char *month, struct service_point *out,
                                    struct error *err);

/* Whose bill a name means, by the registry; what it points to is put into *device and *point. */
MUST_USE enum result subject_find(const struct invoices_source *source,
                                  const struct bill_name *name, struct device *device,
                                  struct service_point *point, struct bill_subject *s,
                                  struct error *err);

/* --- drawing.c --- */

struct tariff_choice {
	const char *name; /* "": none */
	bool always;      /* also where a point has a tariff of its own */
};

/* A bill while it is made. */
struct drawing {
	/* the caller's */
	const struct usage_page *page; /* readings at hand; NULL: none */
	const struct bill_subject *subject;
	struct tariff_choice tariff;
	void (*trace)(void *context, uint32_t interval, uint32_t line, int64_t energy_mwh);
	void *trace_context;
	/* made */
	struct usage_source from;
	struct usage usage;
	struct usage_parts parts; /* of a point */
	struct bill_span spans[AGREEMENTS_MAX + 1];
	uint32_t span_count;
	bool by_choice; /* the choice ruled on some days */
	struct bill bill;
};

/* On success the caller frees d->usage. RESULT_INPUT: not billable; RESULT_ABSENT: the tariff that
 * was chosen is none. */
MUST_USE enum result drawing_make(const struct invoices_source *source, struct drawing *d,
                                  struct error *err);
struct usage_source usage_source_of(const struct invoices_source *source,
                                    const struct usage_page *page);

/* --- document.c --- */

json_t *digest_of(const struct drawing *d);
json_t *time_text(int64_t at_s);
json_t *day_text(int32_t day);
json_t *kwh_text(int64_t energy_mwh);

/* A subject's bill: *out is new. `page` may have its readings at hand (NULL: none is there).
 * RESULT_INPUT: not billable. */
MUST_USE enum result document_draw(const struct invoices_source *source,
                                   const struct usage_page *page, const struct bill_subject *s,
                                   struct tariff_choice tariff, json_t **out, struct error *err);
/* What stands in the place of a bill that could not be drawn up. */
json_t *document_not_billed(const struct invoices_source *source, const struct bill_subject *s,
                            const char *tariff, const char *cause);

/* --- records.c --- */

const char *document_text(const json_t *object, const char *key); /* "": absent */
/* By what a bill that is kept is drawn anew: a meter's by the tariff of the bill, a point's by its
 * own, which may have been corrected. Its text is the document's. */
struct tariff_choice document_tariff(const json_t *bill);
/* Is a document's text that of a closed bill? */
bool document_is_closed(const void *text, size_t bytes);
/* RESULT_ABSENT: no such key. */
MUST_USE enum result document_get(struct store *s, const char *key, json_t **out,
                                struct error *err);
/* The array of a bill's adjustments; empty when there are none. */
MUST_USE enum result document_adjustments(struct store *s, const char *month, const char *ref,
                                        json_t **out, struct error *err);
void key_of_bill(char key[KEY_BYTES], const char *month, const char *ref);
void key_of_adjustment(char key[KEY_BYTES], const char *month, const char *ref, unsigned number);
/* Of a point's bill in the keys: no id has the mark. */
void ref_of_point(char ref[BILL_REF_BYTES], const char *point, unsigned number);
/* What the keys of all of a point's bills of a month begin with. Returns its length. */
size_t key_of_point(char key[KEY_BYTES], const char *month, const char *point);

/* A bill of a point as it is kept. */
struct point_bill {
	unsigned number;
	bool closed;
	json_t *document, *adjustments; /* of a closed one an array */
};
struct point_bills {
	uint32_t count; /* by number */
	struct point_bill list[POINT_BILLS_MAX];
};
/* On success freed by point_bills_free. */
MUST_USE enum result point_bills_load(struct store *s, const char *month, const char *point,
                                      struct point_bills *out, struct error *err);
void point_bills_free(struct point_bills *bills);
/* The local days that a closed bill is of by now. RESULT_MEDIA: it does not say. */
MUST_USE enum result document_days(const json_t *document, const json_t *adjustments,
                                   int32_t *from_day, int32_t *end_day, struct error *err);

/* --- run.c --- */
void *invoices_work(void *iv);

#endif
