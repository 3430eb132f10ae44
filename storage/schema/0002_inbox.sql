-- SPDX-License-Identifier: Apache-2.0
-- A job may be posted for one task of its flow and what that needs. It stands with the documents,
-- since it is read once per claim and never changes.
ALTER TABLE payloads ADD COLUMN target text; -- path of the wanted task; null: the whole flow
