/* SPDX-License-Identifier: Apache-2.0 */
/* What is legal and surely not meant. */
#include "engine/flow/compiler.h"

void doubts_warn(struct compiler *c)
{
}
