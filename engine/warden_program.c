/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "engine/warden.h"

int main(int argc, char **argv)
{
    /* Nothing is flushed or checked at the end: nothing here is ever buffered. */
    _exit(nursery_main(argc, argv));
}
