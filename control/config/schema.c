/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of headrace.yaml, for libcyaml: keys and types. Ranges and defaults: config_priv.h. */
#include "control/config/config_priv.h"

#define OPTIONAL (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define CHOICE   (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT)

#define FIELD_NUMBER(section, key, otherwise, least, most)                                         \
	CYAML_FIELD_INT_PTR(#key, OPTIONAL, struct raw_##section, key),
#define FIELD_TEXT(section, key)                                                                   \
	CYAML_FIELD_STRING_PTR(#key, OPTIONAL, struct raw_##section, key, 1, 4096)
#define FIELD_CHOICE(structure, key, names)                                                        \
	CYAML_FIELD_ENUM_PTR(#key, CHOICE, struct structure, key, names, CYAML_ARRAY_LEN(names))
#define FIELD_SECTION(section)                                                                     \
	CYAML_FIELD_MAPPING(#section, CYAML_FLAG_OPTIONAL, struct raw_config, section,             \
	                    section##_fields)

static const cyaml_strval_t hugepages_names[] = {
    {"auto", HUGEPAGES_AUTO}, {"yes", HUGEPAGES_YES}, {"no", HUGEPAGES_NO}};
static const cyaml_strval_t distribution_names[] = {{"auto", DISTRIBUTION_AUTO},
                                                    {"device", DISTRIBUTION_DEVICE},
                                                    {"software", DISTRIBUTION_SOFTWARE}};
static const cyaml_strval_t idle_names[] = {{"backoff", IDLE_BACKOFF}, {"spin", IDLE_SPIN}};
static const cyaml_strval_t authorisation_names[] = {{"gateway", AUTHORISATION_GATEWAY},
                                                     {"strict", AUTHORISATION_STRICT}};

static const cyaml_strval_t identity_names[] = {{"client_id", IDENTITY_CLIENT_ID},
                                                {"username", IDENTITY_USERNAME}};

static const cyaml_strval_t registration_names[] = {{"off", REGISTER_OFF},
                                                    {"pending", REGISTER_PENDING},
                                                    {"allow_list", REGISTER_ALLOW_LIST},
                                                    {"open", REGISTER_OPEN}};

static const cyaml_schema_field_t dpdk_fields[] = {
    DPDK_NUMBERS(FIELD_NUMBER)
    FIELD_CHOICE(raw_dpdk, hugepages, hugepages_names),
    FIELD_TEXT(dpdk, file_prefix),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t port_fields[] = {
    CYAML_FIELD_STRING_PTR("device", CYAML_FLAG_POINTER, struct raw_port, device, 1, 512),
    CYAML_FIELD_STRING_PTR("address", CYAML_FLAG_POINTER, struct raw_port, address, 1, 64),
    FIELD_TEXT(port, gateway),
    FIELD_TEXT(port, address6),
    FIELD_TEXT(port, gateway6),
    CYAML_FIELD_INT_PTR("mtu", OPTIONAL, struct raw_port, mtu),
    CYAML_FIELD_INT_PTR("queues", OPTIONAL, struct raw_port, queues),
    FIELD_CHOICE(raw_port, distribution, distribution_names),
    CYAML_FIELD_INT_PTR("vlan", OPTIONAL, struct raw_port, vlan),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t port_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_port, port_fields)};

static const cyaml_schema_value_t stage_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, 16)};
static const cyaml_schema_field_t worker_fields[] = {
    CYAML_FIELD_INT("cpu", CYAML_FLAG_DEFAULT, struct raw_worker, cpu),
    CYAML_FIELD_SEQUENCE("stages", CYAML_FLAG_POINTER, struct raw_worker, stages, &stage_schema, 1,
                         MAX_IO_WORKERS + MAX_STAGE_WORKERS + 1),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t worker_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_worker, worker_fields)};

static const cyaml_schema_field_t mqtt_fields[] = {
    MQTT_NUMBERS(FIELD_NUMBER)
    CYAML_FIELD_BOOL_PTR("retain", OPTIONAL, struct raw_mqtt, retain),
    CYAML_FIELD_BOOL_PTR("wildcards", OPTIONAL, struct raw_mqtt, wildcards),
    CYAML_FIELD_BOOL_PTR("subscription_ids", OPTIONAL, struct raw_mqtt, subscription_ids),
    CYAML_FIELD_BOOL_PTR("shared", OPTIONAL, struct raw_mqtt, shared),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t broker_fields[] = {
    BROKER_NUMBERS(FIELD_NUMBER)
    CYAML_FIELD_BOOL_PTR("anonymous", OPTIONAL, struct raw_broker, anonymous),
    FIELD_CHOICE(raw_broker, identity, identity_names),
    FIELD_TEXT(broker, password_file),
    FIELD_TEXT(broker, acl_file),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t coap_fields[] = {
    COAP_NUMBERS(FIELD_NUMBER)
    CYAML_FIELD_BOOL_PTR("multicast", OPTIONAL, struct raw_coap, multicast),
    CYAML_FIELD_BOOL_PTR("interop", OPTIONAL, struct raw_coap, interop),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t limits_fields[] = {LIMITS_NUMBERS(FIELD_NUMBER) CYAML_FIELD_END};
static const cyaml_schema_field_t journal_fields[] = {
    JOURNAL_NUMBERS(FIELD_NUMBER) FIELD_TEXT(journal, dir), CYAML_FIELD_END};
static const cyaml_schema_field_t store_fields[] = {
    STORE_NUMBERS(FIELD_NUMBER) FIELD_TEXT(store, dir), CYAML_FIELD_END};
static const cyaml_schema_field_t retention_fields[] = {
    RETENTION_NUMBERS(FIELD_NUMBER) CYAML_FIELD_END};
static const cyaml_schema_field_t validation_fields[] = {
    VALIDATION_NUMBERS(FIELD_NUMBER) CYAML_FIELD_END};
static const cyaml_schema_field_t registry_fields[] = {
    REGISTRY_NUMBERS(FIELD_NUMBER)
    FIELD_TEXT(registry, file),
    FIELD_TEXT(registry, allow_list),
    FIELD_CHOICE(raw_registry, registration, registration_names),
    FIELD_CHOICE(raw_registry, authorisation, authorisation_names),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t api_fields[] = {
    API_NUMBERS(FIELD_NUMBER)
    FIELD_TEXT(api, socket),
    FIELD_TEXT(api, listen),
    FIELD_TEXT(api, certificate),
    FIELD_TEXT(api, key),
    CYAML_FIELD_BOOL_PTR("plaintext", OPTIONAL, struct raw_api, plaintext),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t territory_fields[] = {
    FIELD_TEXT(territory, timezone), CYAML_FIELD_END};

static const cyaml_schema_field_t config_fields[] = {
    FIELD_SECTION(dpdk),
    CYAML_FIELD_SEQUENCE("ports", CYAML_FLAG_POINTER, struct raw_config, ports, &port_schema, 1,
                         MAX_IO_WORKERS),
    CYAML_FIELD_SEQUENCE("workers", OPTIONAL, struct raw_config, workers, &worker_schema, 1,
                         MAX_WORKERS),
    FIELD_CHOICE(raw_config, idle, idle_names),
    FIELD_SECTION(mqtt),
    FIELD_SECTION(broker),
    FIELD_SECTION(coap),
    FIELD_SECTION(limits),
    FIELD_SECTION(journal),
    FIELD_SECTION(store),
    FIELD_SECTION(retention),
    FIELD_SECTION(validation),
    FIELD_TEXT(config, channels_file),
    FIELD_TEXT(config, profiles_dir),
    FIELD_TEXT(config, vee_dir),
    FIELD_TEXT(config, tariffs_dir),
    FIELD_TEXT(config, health_file),
    FIELD_SECTION(territory),
    FIELD_SECTION(registry),
    FIELD_SECTION(api),
    CYAML_FIELD_END,
};

const cyaml_schema_value_t config_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_config, config_fields)};
