/* SPDX-License-Identifier: Apache-2.0 */
/* The language as JSON Schema. */
#include "engine/flow/language.h"
