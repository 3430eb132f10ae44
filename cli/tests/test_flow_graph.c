/* SPDX-License-Identifier: Apache-2.0 */
/* Flows as pictures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/flow_graph.h"

static const char source[] = "flow: x\n"
                             "tasks:\n"
                             "  a: {sh: date, retry: {attempts: 2}, revert: {sh: date}}\n"
                             "  end:\n"
                             "    needs: a\n"
                             "    foreach: [1, 2]\n"
                             "    steps:\n"
                             "      - {name: b, sh: date, if: item == 1}\n"
                             "      - {name: c, sh: date, on_failure: continue}\n"
                             "  d: {needs: {a: failure, end: done}, join: any, noop: }\n"
                             "  e: {needs: [a, d], join: 2, noop: }\n"
                             "finally: {sh: date}\n";

static struct flow *compiled(void)
{
    struct flow *flow;
    struct flow_problems problems;
    assert_int_equal(flow_compile(text_of(source), &flow, &problems), 0);
    flow_problems_done(&problems);
    return flow;
}

static void assert_has(const struct buffer *text, const char *part)
{
    if (!strstr(text->data, part))
        fail_msg("expected \"%s\" in\n%s", part, text->data);
}

static void test_dot(void **state)
{
    struct flow *flow = compiled();
    struct graph_states states = {0};
    struct buffer text = {0};
    flow_graph_dot(flow, &states, &text);
    assert_has(&text, "digraph \"x\" {");
    assert_has(&text, "  \"a\" [label=\"a\\nsh · retry · revert\", fillcolor=\"#ffffff\"];\n");
    assert_has(&text, "  subgraph \"cluster_end\" {\n    label=\"end\\ntasks · foreach\";");
    assert_has(&text, "    \"end/b\" [label=\"b\\nsh · if\"");
    assert_has(&text, "    \"end/c\" [label=\"c\\nsh · on failure continue\"");
    assert_has(&text, "    \"end/b\" -> \"end/c\";\n");
    assert_has(&text, "  \"a\" -> \"end/b\" [lhead=\"cluster_end\"];\n");
    assert_has(&text, "  \"a\" -> \"d\" [style=dashed, color=\"#c0392b\", fontcolor=\"#c0392b\", "
                      "label=failure];\n");
    assert_has(&text, "  \"end/c\" -> \"d\" [style=dotted, label=done, ltail=\"cluster_end\"];\n");
    assert_has(&text, "join any");
    assert_has(&text, "join 2");
    assert_has(&text, "\"finally\" [label=\"finally\\nsh\"");
    buffer_done(&text);
    flow_free(flow);
}

static void test_mermaid(void **state)
{
    struct flow *flow = compiled();
    struct graph_states states = {0};
    struct buffer text = {0};
    flow_graph_mermaid(flow, &states, &text);
    assert_string_equal(text.data, "flowchart TD\n"
                                   "  t0[\"a<br/>sh · retry · revert\"]\n"
                                   "  subgraph t1[\"end<br/>tasks · foreach\"]\n"
                                   "    t2[\"b<br/>sh · if\"]\n"
                                   "    t3[\"c<br/>sh · on failure continue\"]\n"
                                   "    t2 --> t3\n"
                                   "  end\n"
                                   "  t4[\"d<br/>noop · join any\"]\n"
                                   "  t5[\"e<br/>noop · join 2\"]\n"
                                   "  t0 --> t1\n"
                                   "  t0 -. failure .-> t4\n"
                                   "  t1 -. done .-> t4\n"
                                   "  t0 --> t5\n"
                                   "  t4 --> t5\n"
                                   "  t6[\"finally<br/>sh\"]\n");
    buffer_done(&text);
    flow_free(flow);
}

static void test_states(void **state)
{
    struct flow *flow = compiled();
    struct graph_states states = {0};
    struct buffer text = {0};
    graph_states_add(&states, TEXT(""), TEXT("RUNNING")); /* the job's own notes */
    graph_states_add(&states, TEXT("end"), TEXT("RUNNING"));
    graph_states_add(&states, TEXT("end/0/b"), TEXT("SUCCESS"));
    graph_states_add(&states, TEXT("end/1/b"), TEXT("FAILURE"));
    graph_states_add(&states, TEXT("end/10/b"), TEXT("PENDING"));
    graph_states_add(&states, TEXT("a"), TEXT("SUCCESS"));
    graph_states_sort(&states);
    assert_int_equal(states.count, 3);
    assert_true(text_equal(graph_states_find(&states, TEXT("end/b")), TEXT("FAILURE")));
    assert_null(graph_states_find(&states, TEXT("d")).data);
    flow_graph_dot(flow, &states, &text);
    assert_has(&text, "\"a\" [label=\"a\\nsh · retry · revert\\nSUCCESS\", fillcolor=\"#abebc6\"]");
    assert_has(&text, "\"end/b\" [label=\"b\\nsh · if\\nFAILURE\", fillcolor=\"#ee9999\"]");
    assert_has(&text, "\"d\" [label=\"d\\nnoop · join any\", fillcolor=\"#ffffff\"]");
    buffer_clear(&text);
    flow_graph_mermaid(flow, &states, &text);
    assert_has(&text, "style t1 fill:#aed6f1\n");
    buffer_done(&text);
    graph_states_done(&states);
    flow_free(flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dot),
        cmocka_unit_test(test_mermaid),
        cmocka_unit_test(test_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
