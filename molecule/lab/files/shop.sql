-- SPDX-License-Identifier: GPL-3.0-or-later
-- Backups run as root, who may read and nothing else.
CREATE ROLE root LOGIN;
GRANT pg_read_all_data TO root;

CREATE TABLE customer (
    id integer PRIMARY KEY,
    name text NOT NULL
);

CREATE TABLE purchase (
    id integer PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customer,
    cents integer NOT NULL,
    note text NOT NULL
);

INSERT INTO customer SELECT n, 'customer ' || n FROM generate_series(1, 500) AS n;
INSERT INTO purchase SELECT n, 1 + n % 500, n * 37 % 9973, md5(n::text) FROM generate_series(1, 20000) AS n;
