/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs below `jobboard flow`, each in a file of its own. argv[0] is the verb. */
#ifndef CLI_VERBS_FLOW_H
#define CLI_VERBS_FLOW_H

int flow_graph(int argc, char **argv);
int flow_print_schema(int argc, char **argv);
int flow_run(int argc, char **argv);

#endif
