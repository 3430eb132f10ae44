/* SPDX-License-Identifier: Apache-2.0 */
#include "jobboard/address.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static bool is_known(const struct addresses *addresses, const struct addrinfo *info)
{
    for (size_t i = 0; i < addresses->count; i++) {
        const struct address *address = &addresses->each[i];
        if (address->len == info->ai_addrlen && !memcmp(&address->at, info->ai_addr, address->len))
            return true;
    }
    return false;
}

static int add_family(struct addresses *addresses, const struct addrinfo *infos, int family,
                      size_t *ret_added)
{
    for (const struct addrinfo *info = infos; info; info = info->ai_next) {
        if (info->ai_family != family)
            continue;
        ++*ret_added;
        if (is_known(addresses, info))
            continue;
        if (addresses->count == ADDRESSES_MAX)
            return ERR_TOO_LARGE;
        struct address *address = &addresses->each[addresses->count++];
        memset(address, 0, sizeof *address);
        memcpy(&address->at, info->ai_addr, info->ai_addrlen);
        address->len = info->ai_addrlen;
    }
    return 0;
}

static int resolve_one(struct addresses *addresses, const char *host, const char *port,
                       struct error *ret_error)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *infos;
    int rc = getaddrinfo(host, port, &hints, &infos);
    if (rc != 0)
        return error_set(ret_error, rc == EAI_SERVICE ? ERR_INVALID : ERR_UNREACHABLE,
                         "ZooKeeper address %s:%s: %s", host, port, gai_strerror(rc));
    size_t added = 0;
    int code = add_family(addresses, infos, AF_INET, &added);
    if (code == 0 && added == 0)
        code = add_family(addresses, infos, AF_INET6, &added);
    freeaddrinfo(infos);
    if (code != 0)
        return error_set(ret_error, code, "more than %d ZooKeeper addresses", ADDRESSES_MAX);
    return 0;
}

/* One "host:port" of the list, as long as the comma or the end. */
static int add_entry(struct addresses *addresses, struct text entry, struct error *ret_error)
{
    char host[256];
    if (entry.len == 0 || entry.len >= sizeof host)
        return error_set(ret_error, ERR_INVALID, "ZooKeeper address '%.*s': expected host:port",
                         TEXT_ARG(entry));
    memcpy(host, entry.data, entry.len);
    host[entry.len] = 0;
    char *colon = strrchr(host, ':');
    size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
    if (!colon || colon == host || digits == 0 || digits > 5 || colon[1 + digits])
        return error_set(ret_error, ERR_INVALID, "ZooKeeper address '%s': expected host:port",
                         host);
    *colon = 0;
    char *name = host;
    if (host[0] == '[' && colon[-1] == ']') {
        colon[-1] = 0;
        name++;
    }
    return resolve_one(addresses, name, colon + 1, ret_error);
}

static int write_list(struct addresses *addresses, struct error *ret_error)
{
    size_t entries = addresses->count | 1, len = 0;
    for (size_t i = 0; i < entries; i++) {
        const struct address *address = &addresses->each[i % addresses->count];
        char host[64], port[8];
        int rc = getnameinfo((const struct sockaddr *)&address->at, address->len, host, sizeof host,
                             port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
        if (rc != 0)
            return error_set(ret_error, ERR_SYSTEM, "getnameinfo: %s", gai_strerror(rc));
        int added = snprintf(addresses->list + len, sizeof addresses->list - len, "%s%s:%s",
                             i ? "," : "", host, port);
        if (added < 0 || (size_t)added >= sizeof addresses->list - len)
            return error_set(ret_error, ERR_TOO_LARGE, "too many ZooKeeper addresses");
        len += (size_t)added;
    }
    return 0;
}

int addresses_resolve(const char *hosts, struct addresses *ret_addresses, struct error *ret_error)
{
    memset(ret_addresses, 0, sizeof *ret_addresses);
    const char *at = hosts;
    for (;;) {
        size_t len = strcspn(at, ",");
        int code = add_entry(ret_addresses, (struct text){at, len}, ret_error);
        if (code != 0)
            return code;
        if (!at[len])
            break;
        at += len + 1;
    }
    return write_list(ret_addresses, ret_error);
}
