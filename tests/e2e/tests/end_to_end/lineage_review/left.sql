INSERT INTO accounts SELECT n, 'account ' || n FROM generate_series(1, 9) n;
INSERT INTO groups SELECT n, 'group ' || n FROM generate_series(1, 9) n;
INSERT INTO people VALUES
    (1, 'Ada', 'x', '911-22-3344', 4321, '1984-05-17', '{a}', '{"a": 1}', '{"a": 1}', '10010', '\\x61', 10, 7, 'one', 'one', 1),
    (2, 'Bob', 'y', '555-55-5555', 5, '2000-05-05', '{e}', '{"e": 5}', '{"e": 5}', '10101', '\x05', 5, 5, 'five', 'five', 2),
    (3, 'Cy', 'z', '666-66-6666', 6, '2000-06-06', '{f}', '{"f": 6}', '{"f": 6}', '11011', '\x06', 6, 6, 'six', 'six', 3);
INSERT INTO hr.people VALUES (1, '911-22-3344'), (2, '555-55-5555');
INSERT INTO parted VALUES (1, 'b'), (2, 'a'), (3, 'b');
REFRESH MATERIALIZED VIEW stored_plain;
ANALYZE people (id, name, note);
