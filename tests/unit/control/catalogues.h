/* SPDX-License-Identifier: Apache-2.0 */
/* The shipped channels and profiles, and a folder, for tests of the files that name them. */
#ifndef HEADRACE_TESTS_CONTROL_CATALOGUES_H
#define HEADRACE_TESTS_CONTROL_CATALOGUES_H

#include "control/config/config.h"
#include "folder.h"

static struct channel_catalogue channels;
static struct profile_set profiles;
static struct error err;

static inline int catalogues_set_up(void **state)
{
	struct config defaults = {.validation = {60, 300, 3600, 48}};
	folder_set_up(state);
	if (config_load_channels(CONFIGS_DIR "/channels.yaml", &channels, &err) != RESULT_OK ||
	    config_load_profiles(CONFIGS_DIR "/profiles", &channels, &defaults, &profiles, &err) !=
	        RESULT_OK) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	return 0;
}

#endif
