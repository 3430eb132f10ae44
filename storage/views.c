/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/storage_private.h"
const struct lane_type lane_view = {.name = "view", .link = LINK_READ};
void storage_view(struct storage *storage, const struct view_request *request, uint64_t tag)
{
}
