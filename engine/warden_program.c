/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/warden.h"

int main(int argc, char **argv)
{
    return warden_main(argc, argv);
}
