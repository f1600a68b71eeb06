/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line per event on stderr: "2026-01-02T03:04:05.678Z level area: text".
 * For ordinary threads only: a worker counts, it never writes (writing can block).
 */
#ifndef HEADRACE_BASE_LOG_H
#define HEADRACE_BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Lines above `level` are dropped. Default: LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

__attribute__((format(printf, 3, 4))) void log_line(enum log_level level, const char *area,
                                                    const char *format, ...);

#define log_error(area, ...)   log_line(LOG_LEVEL_ERROR, area, __VA_ARGS__)
#define log_warning(area, ...) log_line(LOG_LEVEL_WARNING, area, __VA_ARGS__)
#define log_info(area, ...)    log_line(LOG_LEVEL_INFO, area, __VA_ARGS__)
#define log_debug(area, ...)   log_line(LOG_LEVEL_DEBUG, area, __VA_ARGS__)

#endif
