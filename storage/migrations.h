/* SPDX-License-Identifier: Apache-2.0 */
/* The numbered files of storage/schema, built into the program (embed.cmake). */
#ifndef STORAGE_MIGRATIONS_H
#define STORAGE_MIGRATIONS_H

struct migration {
    int version;      /* 1, 2, 3 …; 0 ends the list */
    const char *name; /* of the file, without its ending */
    const char *sql;  /* several statements */
};

extern const struct migration migrations[];

#endif
