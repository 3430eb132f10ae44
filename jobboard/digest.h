/* SPDX-License-Identifier: Apache-2.0 */
/* The id that ZooKeeper's digest scheme makes of "user:password":
 * user:base64(SHA-1(user:password)). Explicit ACLs need it; SHA-1 is that scheme's choice and
 * guards nothing else here. */
#ifndef JOBBOARD_DIGEST_H
#define JOBBOARD_DIGEST_H

#include "base/text.h"

#define DIGEST_SHA1_BYTES 20
#define DIGEST_ID_MAX     256

void digest_sha1(struct text text, unsigned char ret_hash[DIGEST_SHA1_BYTES]);
/* False when `auth` has no colon or the user's name is too long for `ret_id`. */
bool digest_id(const char *auth, char ret_id[DIGEST_ID_MAX]);

#endif
