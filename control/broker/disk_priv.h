/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes of the records on disk; their diagram is in disk.c. */
#ifndef HEADRACE_BROKER_DISK_PRIV_H
#define HEADRACE_BROKER_DISK_PRIV_H

#define DISK_SESSION      '1'
#define DISK_SUBSCRIPTION '2'
#define DISK_MESSAGE      '3'
#define DISK_ENTRY        '4'
#define DISK_INBOUND      '5'
#define DISK_WILL         '6'
#define DISK_RETAINED     '7'

#define KEY_NUMBER_BYTES         (1 + 8)
#define KEY_ENTRY_BYTES          (KEY_NUMBER_BYTES + 8)
#define KEY_INBOUND_BYTES        (KEY_NUMBER_BYTES + 2)
#define SESSION_VALUE_BYTES      (8 + 4 + 8)
#define SUBSCRIPTION_VALUE_BYTES (1 + 4)
#define MESSAGE_HEADER_BYTES     (8 + 1 + 2 + 2)
#define ENTRY_VALUE_BYTES        (8 + 2 + 1 + 1)
#define WILL_HEADER_BYTES        (4 + 4 + 1)

#endif
