/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry of devices: what the utility knows of each meter and gateway.
 *
 * Kept in the store's STORE_REGISTRY space (record.c's record of each device under "d/" + id, the
 * next free number under "n"), with a small index in memory: number -> id, and the immutable
 * contract/registry_view.h that the workers read.
 *
 * Threads: any ordinary thread, all functions at once; a lock inside. An import applies its lines
 * in parts, each durable before it is published; other calls go on in between. It never reads
 * a clock and never touches the workers but through `publish`.
 */
#ifndef HEADRACE_REGISTRY_REGISTRY_H
#define HEADRACE_REGISTRY_REGISTRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "contract/limits.h"
#include "contract/profile.h"
#include "contract/registry_view.h"
#include "control/calendar/calendar.h"
#include "storage/store/store.h"

#define DEVICE_TEXT_BYTES  64  /* of the descriptive fields, terminator included */
#define GROUPS_BYTES       128
#define DEVICE_NOTES_BYTES 256 /* capabilities, communication profile: JSON text as it came */

struct device {
	char id[DEVICE_ID_BYTES + 1]; /* as in messages; printable, no quote, no backslash */
	uint32_t number;              /* dense from 0, never reused */
	enum device_state state;
	uint32_t capacity_w; /* largest power; 0: the profile's applies */
	uint32_t dials;      /* of the energy register, in kWh; 0: the profile's applies */
	char gateway[CLIENT_ID_BYTES + 1]; /* client id that may send for it; "": none */
	char profile[PROFILE_NAME_BYTES];
	char serial[DEVICE_TEXT_BYTES];
	char manufacturer[DEVICE_TEXT_BYTES];
	char model[DEVICE_TEXT_BYTES];
	char firmware[DEVICE_TEXT_BYTES];
	char service_point[DEVICE_TEXT_BYTES];
	char capabilities[DEVICE_NOTES_BYTES];
	char communication[DEVICE_NOTES_BYTES];
	char groups[GROUPS_BYTES];   /* names, sorted, with commas in between */
	int32_t latitude, longitude; /* millionths of a degree; INT32_MIN: not known */
	int64_t register_from_s;     /* the register counts anew from then; 0: since ever */
};

struct registry;

enum registry_kind { REGISTRY_DEVICES, REGISTRY_POINTS, REGISTRY_CUSTOMERS, REGISTRY_GROUPS };

/* Who changes something, and when: kept in the history. */
struct registry_author {
	const char *who; /* "local", the name of a token, ... */
	int64_t at_ms;   /* now, UTC */
};

/*
 * Hand `view` to the workers and return when none of them looks at the view before it any more:
 * the registry frees that one, and the pages that only it had, right afterwards. Called with the
 * registry's lock held: it must not call back.
 */
typedef void registry_publish_fn(void *context, struct registry_view *view);

/*
 * Read what the store has, build the view, publish it (NULL publish: nobody to tell). At most
 * `devices_max` devices are taken. The store outlives the registry.
 */
MUST_USE enum result registry_open(struct store *store, uint32_t devices_max,
                                   registry_publish_fn *publish, void *context,
                                   struct registry **out, struct error *err);

/* How days in files are read: as the territory's. Without it as UTC's. Before any import. */
void registry_set_calendar(struct registry *r, const struct calendar *calendar);

/* The workers have stopped: frees the current view, too. */
void registry_close(struct registry *r);

/* The view last published. Only for a reader that `publish` waits for, or when no import runs. */
struct registry_view *registry_view_current(const struct registry *r);

uint32_t registry_count(struct registry *r);

/* --- import --- */

enum registry_format { REGISTRY_CSV, REGISTRY_JSON };

/* A line that was not taken. The registry's lock may be held: it must not call back. */
typedef void registry_complaint_fn(void *context, uint64_t line, const char *cause);

struct registry_import {
	uint64_t lines; /* devices in the file, good or bad */
	uint64_t added, changed, unchanged, failed;
};

/*
 * Take objects from CSV (RFC 4180, the first line names the columns) or JSON (an array of objects,
 * or objects one after the other). What a line does not mention stays as it was. Good lines are
 * taken, bad ones reported; the same file twice changes nothing the second time.
 *
 * Service points: a line may have an installation; one with the same meter and beginning is
 * changed, else it is added. Groups: each line puts a device or a point into a group.
 *
 * RESULT_INPUT: the text as a whole can't be used, nothing was taken. Other failures: what
 * `report` counts as added and changed is in, the rest is not.
 */
MUST_USE enum result registry_import_text(struct registry *r, enum registry_kind kind,
					  const struct registry_author *author,
					  enum registry_format format, const char *text,
					  size_t bytes, registry_complaint_fn *complain,
					  void *context, struct registry_import *report,
					  struct error *err);

/* Devices from a file; the format is told by its name (.json, .jsonl, .ndjson: JSON). */
MUST_USE enum result registry_import_file(struct registry *r, const struct registry_author *author,
					  const char *path, registry_complaint_fn *complain,
					  void *context, struct registry_import *report,
					  struct error *err);

/* Set a device's state; durable and visible to the workers when it returns. RESULT_ABSENT: no such
 * device. */
MUST_USE enum result registry_set_state(struct registry *r, const struct registry_author *author,
					const char *id, enum device_state state, struct error *err);

/* --- many at once --- */

/* Which devices: all that is given must be so. */
struct registry_selection {
	const char *prefix; /* of the id; NULL: any */
	const char *after;  /* only ids behind it; NULL: from the first */
	const char *group;  /* they are in; NULL: any */
	const char *search; /* any text of theirs has it, ASCII case aside; NULL: any */
	int state;          /* enum device_state; -1: any */
};
#define REGISTRY_EVERY ((struct registry_selection){.state = -1})

/* Set fields of the devices that are selected: `json` is an object with the fields of an import,
 * without an id. In parts, each durable before it is published. What is refused is counted as
 * failed (`complain`'s line is the device's place among those selected); report->lines counts those
 * selected. `dry`: count what would change and change nothing. */
MUST_USE enum result registry_set(struct registry *r, const struct registry_author *author,
				  const struct registry_selection *which, const char *json,
				  size_t bytes, bool dry, registry_complaint_fn *complain,
				  void *context, struct registry_import *report, struct error *err);

/* Groups by name, with how many devices and service points are in them. */
typedef bool registry_group_fn(void *context, const char *name, uint64_t devices, uint64_t points);
MUST_USE enum result registry_groups(struct registry *r, registry_group_fn *fn, void *context,
				     struct error *err);

/* --- history --- */

struct registry_history {
	int64_t at_ms;
	const char *who, *action;
	const char *changes; /* a JSON object: for each field that changed [old, new] */
	size_t changes_bytes;
};
/* False ends the listing. Called without the lock. */
typedef bool registry_history_fn(void *context, const struct registry_history *entry);

/* What was changed of an object, oldest first. */
MUST_USE enum result registry_history(struct registry *r, enum registry_kind kind, const char *id,
				      registry_history_fn *fn, void *context, struct error *err);

/* --- look-ups --- */

/* RESULT_ABSENT: no such device. */
MUST_USE enum result registry_get(struct registry *r, const char *id, struct device *out,
                                  struct error *err);

/* Number of a device; DEVICE_NONE: no such device. */
uint32_t registry_number_of(struct registry *r, const char *id, size_t id_bytes);

/* Id of a number, copied to `id`. False: no such number. */
bool registry_id_of(struct registry *r, uint32_t number, char id[DEVICE_ID_BYTES + 1]);

/* False ends the listing. Called without the lock. */
typedef bool registry_device_fn(void *context, const struct device *device);

/* Those that are selected, by id. */
MUST_USE enum result registry_select(struct registry *r, const struct registry_selection *which,
				     registry_device_fn *fn, void *context, struct error *err);

/* Devices whose id starts with `prefix`, by id: skips `offset`, hands out at most `limit`. */
MUST_USE enum result registry_list(struct registry *r, const char *prefix, uint64_t offset,
                                   uint64_t limit, registry_device_fn *fn, void *context,
                                   struct error *err);

/* The numbers of the devices whose id starts with `prefix`, by id, for who goes through all of
 * them. *numbers is the caller's to free, also after a failure. When *stopping becomes true (NULL:
 * never) it ends with what it has. */
MUST_USE enum result registry_numbers(struct registry *r, const char *prefix,
				      const atomic_bool *stopping, uint32_t **numbers,
				      uint64_t *count, struct error *err);

/* "active" ...; NULL: no such state. */
const char *device_state_name(enum device_state state);

#endif
