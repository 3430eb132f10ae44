#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether the schema of flow files and the compiler agree.

  check_schema.py PRINT_SCHEMA

Every flow that compiles (examples, good ones, those of the reference) fits the schema; flows with
mistakes that a schema can see do not. Exit 77: no validator here.
"""
import glob
import json
import re
import subprocess
import sys

try:
    import jsonschema
    import yaml
except ImportError as missing:
    print("skipped: %s" % missing)
    sys.exit(77)


class Loader(yaml.SafeLoader):
    """Plain words are what JSON says, as in a flow file."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in [
        ("null", r"^null$", "n"), ("bool", r"^(true|false)$", "tf"),
        ("int", r"^-?(0|[1-9][0-9]*)$", "-0123456789"),
        ("float", r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$", "-0123456789")]:
    Loader.add_implicit_resolver("tag:yaml.org,2002:" + tag, re.compile(pattern), list(first))
Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^$"), [""])

# Files whose mistakes a schema can't see, or which are no YAML.
SEEN = ["foreach_mistakes", "repeat_mistakes", "revert_keys", "revert_nested", "nested_both",
        "nested_keys", "finally_keys", "finally_mistakes", "finally_no_verb", "join_mistakes",
        "skip_mistakes", "on_failure_mistakes", "on_failure_job_revert_all", "defaults_mistakes",
        "defaults_kind", "job_keys", "needs_kinds", "http_mistakes", "http_headers", "http_body",
        "deadline_mistakes", "verb_none", "verb_two", "retry_mistakes", "not_yet_verbs",
        "habits_undo", "steps_kinds", "tasks_kinds", "name_flow"]


def load(text):
    return yaml.load(text, Loader)


def main():
    schema = json.loads(subprocess.run([sys.argv[1]], check=True, capture_output=True).stdout)
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    good = {}
    for path in glob.glob("examples/*.yaml") + glob.glob("engine/flow/tests/good/*"):
        with open(path, encoding="utf-8") as stream:
            good[path] = stream.read()
    with open("docs/flow-language.md", encoding="utf-8") as stream:
        for number, text in enumerate(re.findall(r"```yaml\n(.*?)```", stream.read(), re.S)):
            good["docs/flow-language.md, example %d" % (number + 1)] = text
    wrong = 0
    for name, text in sorted(good.items()):
        for error in validator.iter_errors(load(text)):
            print("%s: %s at %s" % (name, error.message[:200], "/".join(map(str, error.path))))
            wrong += 1
    for name in SEEN:
        with open("engine/flow/tests/bad/%s.yaml" % name, encoding="utf-8") as stream:
            if validator.is_valid(load(stream.read())):
                print("%s: fits, and should not" % name)
                wrong += 1
    print("%d good flows, %d bad ones, %d disagreements" % (len(good), len(SEEN), wrong))
    return 1 if wrong or len(good) < 30 else 0


if __name__ == "__main__":
    sys.exit(main())
