/* SPDX-License-Identifier: Apache-2.0 */
#include "jobboard/client/window.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct window *window_of(struct window **windows, const struct pool *pool, uint16_t shard)
{
    struct window_key key;
    struct window *window;
    memset(&key, 0, sizeof key); /* hashed as it lies, padding included */
    memcpy(key.pool, pool->name, strnlen(pool->name, POOL_LEN));
    key.shard = shard;
    HASH_FIND(hh, *windows, &key, sizeof key, window);
    if (window)
        return window;
    window = xcalloc(1, sizeof *window);
    memcpy(&window->key, &key, sizeof key);
    HASH_ADD(hh, *windows, key, sizeof window->key, window);
    return window;
}

enum window_answer window_take(struct window *window, uint8_t priority, int64_t now_ms)
{
    int64_t steps = PRIORITY_MAX - priority;
    if (window->is_counting)
        return WINDOW_WAIT;
    if (!window->counted_ms || now_ms - window->counted_ms >= WINDOW_FRESH_MS) {
        window->is_counting = true;
        return WINDOW_COUNT;
    }
    if (window->room + steps * WINDOW_STEP <= 0)
        return WINDOW_FULL;
    window->room--;
    return WINDOW_ROOM;
}

void window_counted(struct window *window, int64_t cards, int64_t limit, int64_t now_ms)
{
    window->is_counting = false;
    window->counted_ms = cards < 0 ? 0 : now_ms;
    window->room = cards < 0 ? 0 : limit - cards;
}

void windows_free(struct window **windows)
{
    struct window *window, *next;
    HASH_ITER(hh, *windows, window, next)
    {
        HASH_DEL(*windows, window);
        free(window);
    }
}
