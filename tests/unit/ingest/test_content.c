/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "contract/profile.h"
#include "ingest/content.h"

#define BIT(format) (1 << (format))

static uint8_t media(const char *type)
{
	return content_of_media_type(type, (uint32_t)strlen(type));
}

static void content_formats_say_what_may_be_inside(void **state)
{
	(void)state;
	assert_int_equal(content_of_coap(0), CONTENT_ANY);
	assert_int_equal(content_of_coap(42), CONTENT_ANY);
	assert_int_equal(content_of_coap(50), BIT(FORMAT_JSON) | BIT(FORMAT_SENML));
	assert_int_equal(content_of_coap(60), BIT(FORMAT_CBOR) | BIT(FORMAT_SENML));
	assert_int_equal(content_of_coap(110), BIT(FORMAT_SENML));
	assert_int_equal(content_of_coap(112), BIT(FORMAT_SENML));
	assert_int_equal(content_of_coap(40), 0);
	assert_int_equal(content_of_coap(65535), 0);
}

static void media_types_are_the_same_without_case_and_parameters(void **state)
{
	(void)state;
	assert_int_equal(media("application/json"), content_of_coap(50));
	assert_int_equal(media("Application/JSON; charset=utf-8"), content_of_coap(50));
	assert_int_equal(media("application/senml+cbor"), BIT(FORMAT_SENML));
	assert_int_equal(media("application/cbor ;x"), content_of_coap(60));
	assert_int_equal(media("application/octet-stream"), CONTENT_ANY);
	assert_int_equal(media("image/png"), 0);
	assert_int_equal(media("application/jso"), 0);
	assert_int_equal(media(""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(content_formats_say_what_may_be_inside),
	    cmocka_unit_test(media_types_are_the_same_without_case_and_parameters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
