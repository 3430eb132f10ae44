/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/adapters/storage_adapter.h"

static void boot_began(struct storage *storage, const struct member *self, const struct uuid *boot)
{
    struct member member = *self;
    member.boot = *boot;
    storage_boot_began(storage, &member);
}

bool storage_adapter_perform(struct storage *storage, const struct member *self,
                             const struct core_effect *effect)
{
    switch ((int)effect->kind) {
    case EFFECT_BOOT_BEGAN:
        boot_began(storage, self, &effect->u.boot);
        return true;
    case EFFECT_LEASE_SEEN:
        storage_lease_seen(storage);
        return true;
    case EFFECT_READ_ROW:
        storage_rows(storage, &effect->u.row.job, 1, effect->tag);
        return true;
    case EFFECT_SHARD_ROWS:
        storage_shard_rows(storage, &effect->u.shard.pool, effect->u.shard.shard,
                           effect->u.shard.window, effect->u.shard.jobs, effect->u.shard.count,
                           effect->tag);
        return true;
    case EFFECT_LATE_ROWS:
        storage_late_rows(storage, &effect->u.late, effect->tag);
        return true;
    case EFFECT_OWNED_ROWS:
        storage_owned_rows(storage, &effect->u.boot, effect->tag);
        return true;
    case EFFECT_CLAIM:
        storage_claim(storage, &effect->u.claim, effect->tag);
        return true;
    case EFFECT_LOAD:
        storage_load(storage, &effect->u.row.job, &effect->u.row.claim, effect->tag);
        return true;
    case EFFECT_SAVE:
        storage_save(storage, &effect->u.save, effect->tag);
        return true;
    default:
        return false;
    }
}

bool storage_adapter_translate(const struct storage_answer *from, struct core_event *ret_event)
{
    *ret_event = (struct core_event){.tag = from->tag};
    switch (from->kind) {
    case STORAGE_UP:
        ret_event->kind = EVENT_STORE_UP;
        return true;
    case STORAGE_DOWN:
        ret_event->kind = EVENT_STORE_DOWN;
        return true;
    case STORAGE_CLAIMED:
        ret_event->kind = EVENT_CLAIMED;
        ret_event->u.claim = from->u.claim;
        return true;
    case STORAGE_LOADED:
        ret_event->kind = EVENT_LOADED;
        ret_event->u.load.outcome = from->u.loaded.outcome;
        ret_event->u.load.load = from->u.loaded.load;
        ret_event->u.load.error = from->text;
        return true;
    case STORAGE_SAVED:
        ret_event->kind = EVENT_SAVED;
        ret_event->u.save = from->u.saved;
        return true;
    case STORAGE_ROWS:
        ret_event->kind = EVENT_ROWS;
        ret_event->u.rows.code = from->u.rows.code;
        ret_event->u.rows.list = from->u.rows.rows;
        ret_event->u.rows.count = from->u.rows.count;
        return true;
    case STORAGE_POSTED:
    case STORAGE_INBOXED:
    case STORAGE_LEASE:
    case STORAGE_NOTICE:
    case STORAGE_VIEW:
        return false;
    }
    return false;
}
