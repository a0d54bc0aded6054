// What a tool over pgjdbc does: it asks for all the metadata there is, reads, and writes. Prints `KEY TAB VALUE` for each
// answer; keys of protected values start with "masked ". Variables say where to connect, as libpq's do.

import java.sql.Array;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.ParameterMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.io.StringReader;
import java.io.StringWriter;
import java.util.Arrays;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import org.postgresql.PGConnection;

public class Introspection {
    /** Columns of the sample's customers whose values nobody here may see: by rule, or found by a detector. */
    private static final Set<String> PROTECTED =
            Set.of("email", "phone", "card", "ssn", "iban", "notes", "profile", "tags");

    /** Columns of metadata that differ from one database to the next. */
    private static final Set<String> INCIDENTAL = Set.of("SPECIFIC_NAME");

    private static final String[] SCHEMAS = {"public", "shop"};

    private interface Work {
        Object run() throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        try (Connection connection = connect("")) {
            metadata(connection);
            results(connection);
        }
        try (Connection connection = connect("?binaryTransfer=true&prepareThreshold=-1")) {
            reading(connection, "binary ");
        }
        try (Connection connection = connect("?preferQueryMode=simple")) {
            reading(connection, "simple ");
        }
        try (Connection connection = connect("?reWriteBatchedInserts=true")) {
            writing(connection);
        }
    }

    private static Connection connect(String options) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        properties.setProperty("sslmode", System.getenv("PGSSLMODE"));
        properties.setProperty("sslrootcert", System.getenv("PGSSLROOTCERT"));
        String place = System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE");
        return DriverManager.getConnection("jdbc:postgresql://" + place + options, properties);
    }

    /** One line. An error is an answer too. */
    private static void report(String key, Work work) {
        String value;
        try {
            value = String.valueOf(work.run());
        } catch (Exception error) {
            value = "error " + error;
        }
        System.out.println(key + "\t" + value.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t"));
    }

    private interface Query {
        ResultSet run() throws SQLException;
    }

    /** A line for each row. */
    private static void rows(String key, Query query) {
        int[] number = {0};
        try (ResultSet rows = query.run()) {
            ResultSetMetaData columns = rows.getMetaData();
            while (rows.next()) {
                String text = row(rows, columns);
                report(key + "/" + number[0]++, () -> text);
            }
            report(key, () -> number[0] + " rows");
        } catch (SQLException error) {
            report(key, () -> "error " + error);
        }
    }

    private static String row(ResultSet rows, ResultSetMetaData columns) throws SQLException {
        StringBuilder text = new StringBuilder();
        for (int column = 1; column <= columns.getColumnCount(); column++) {
            if (!INCIDENTAL.contains(columns.getColumnName(column))) {
                text.append(columns.getColumnLabel(column)).append('=').append(value(rows, columns, column)).append(' ');
            }
        }
        return text.toString();
    }

    private static String value(ResultSet rows, ResultSetMetaData columns, int column) throws SQLException {
        boolean binary = columns.getColumnType(column) == Types.BINARY;
        return binary ? Arrays.toString(rows.getBytes(column)) : rows.getString(column);
    }

    private static void metadata(Connection connection) throws SQLException {
        DatabaseMetaData data = connection.getMetaData();
        report("product", () -> data.getDatabaseProductName() + " " + data.getDatabaseProductVersion());
        report("driver", () -> data.getDriverName() + " " + data.getDriverVersion());
        report("user", data::getUserName);
        report("keywords", data::getSQLKeywords);
        report("name length", data::getMaxColumnNameLength);
        report("isolation", connection::getTransactionIsolation);
        report("read only", connection::isReadOnly);
        report("schema", connection::getSchema);
        report("catalog", connection::getCatalog);
        report("valid", () -> connection.isValid(5));
        rows("catalogs", data::getCatalogs);
        rows("schemas", data::getSchemas);
        rows("table types", data::getTableTypes);
        rows("types", data::getTypeInfo);
        rows("client info", data::getClientInfoProperties);
        rows("system tables", () -> data.getTables(null, "pg_catalog", "pg_t%", new String[] {"SYSTEM TABLE"}));
        for (String schema : SCHEMAS) {
            schema(data, schema);
        }
        rows("cross reference", () -> data.getCrossReference(null, "shop", "product", null, "shop", "review"));
    }

    private static void schema(DatabaseMetaData data, String schema) throws SQLException {
        rows("tables/" + schema, () -> data.getTables(null, schema, "%", null));
        rows("columns/" + schema, () -> data.getColumns(null, schema, "%", "%"));
        rows("functions/" + schema, () -> data.getFunctions(null, schema, "%"));
        rows("function columns/" + schema, () -> data.getFunctionColumns(null, schema, "%", "%"));
        rows("procedures/" + schema, () -> data.getProcedures(null, schema, "%"));
        rows("procedure columns/" + schema, () -> data.getProcedureColumns(null, schema, "%", "%"));
        rows("user types/" + schema, () -> data.getUDTs(null, schema, "%", null));
        rows("table privileges/" + schema, () -> data.getTablePrivileges(null, schema, "%"));
        for (String table : tables(data, schema)) {
            String name = schema + "." + table;
            rows("primary key/" + name, () -> data.getPrimaryKeys(null, schema, table));
            rows("imported keys/" + name, () -> data.getImportedKeys(null, schema, table));
            rows("exported keys/" + name, () -> data.getExportedKeys(null, schema, table));
            rows("indexes/" + name, () -> data.getIndexInfo(null, schema, table, false, false));
            rows("row identifier/" + name,
                    () -> data.getBestRowIdentifier(null, schema, table, DatabaseMetaData.bestRowSession, true));
            rows("version columns/" + name, () -> data.getVersionColumns(null, schema, table));
            rows("column privileges/" + name, () -> data.getColumnPrivileges(null, schema, table, "%"));
        }
    }

    private static Set<String> tables(DatabaseMetaData data, String schema) {
        Set<String> names = new TreeSet<>();
        try (ResultSet rows = data.getTables(null, schema, "%", new String[] {"TABLE", "VIEW"})) {
            while (rows.next()) {
                names.add(rows.getString("TABLE_NAME"));
            }
        } catch (SQLException error) {
            report("names/" + schema, () -> "error " + error);
        }
        return names;
    }

    /** Metadata of results, which the driver looks up table by table. */
    private static void results(Connection connection) throws SQLException {
        for (String table : new String[] {"customers", "orders", "shop.product", "shop.cheap"}) {
            report("result of " + table, () -> {
                try (PreparedStatement query = connection.prepareStatement("SELECT * FROM " + table)) {
                    return describe(query.getMetaData());
                }
            });
        }
        report("call", () -> call(connection));
        report("parameters", () -> {
            String sql = "UPDATE shop.product SET price = ?, mood = ?::shop.mood, made = ? WHERE id = ? AND uid = ?";
            try (PreparedStatement update = connection.prepareStatement(sql)) {
                return describe(update.getParameterMetaData());
            }
        });
    }

    private static String describe(ResultSetMetaData columns) throws SQLException {
        StringBuilder text = new StringBuilder();
        for (int column = 1; column <= columns.getColumnCount(); column++) {
            text.append(columns.getTableName(column)).append('.').append(columns.getColumnName(column)).append(' ');
            text.append(columns.getColumnTypeName(column)).append(' ').append(columns.getColumnClassName(column));
            text.append(' ').append(columns.isNullable(column)).append(columns.isAutoIncrement(column)).append("; ");
        }
        return text.toString();
    }

    private static String describe(ParameterMetaData parameters) throws SQLException {
        StringBuilder text = new StringBuilder();
        for (int number = 1; number <= parameters.getParameterCount(); number++) {
            text.append(parameters.getParameterTypeName(number)).append(' ');
        }
        return text.toString();
    }

    private static void reading(Connection connection, String way) throws SQLException {
        customers(connection, way);
        rows(way + "products", () -> connection.createStatement().executeQuery(
                "SELECT * FROM shop.product ORDER BY id"));
        rows(way + "join", () -> connection.createStatement().executeQuery(
                "SELECT c.id, c.name, count(*) AS orders, sum(o.price * o.quantity) AS total FROM customers c"
                + " JOIN orders o ON o.customer_id = c.id WHERE c.id <= 5 GROUP BY c.id, c.name ORDER BY c.id"));
        report(way + "fetched in portions", () -> portions(connection));
        report(way + "scrolled", () -> scrolled(connection));
        report(way + "array", () -> array(connection));
        report(way + "refused by the server", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.execute("SELECT 1 FROM no_such_table");
                return "nothing";
            } catch (SQLException error) {
                return error.getSQLState();
            }
        });
    }

    /** Each value on a line of its own, for each is protected or not. */
    private static void customers(Connection connection, String way) throws SQLException {
        String sql = "SELECT * FROM customers WHERE id <= ? ORDER BY id";
        try (PreparedStatement query = connection.prepareStatement(sql)) {
            query.setInt(1, 7);
            try (ResultSet rows = query.executeQuery()) {
                ResultSetMetaData columns = rows.getMetaData();
                while (rows.next()) {
                    for (int column = 1; column <= columns.getColumnCount(); column++) {
                        String name = columns.getColumnName(column);
                        String value = rows.getString(column);
                        String mark = PROTECTED.contains(name) ? "masked " : "";
                        report(mark + way + "customer " + rows.getLong("id") + "." + name, () -> value);
                    }
                }
            }
        } catch (SQLException error) {
            report(way + "customers", () -> "error " + error);
        }
    }

    /** A portal that is executed again and again. */
    private static String portions(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        try (PreparedStatement query = connection.prepareStatement("SELECT id FROM orders ORDER BY id")) {
            query.setFetchSize(50);
            long sum = 0;
            try (ResultSet rows = query.executeQuery()) {
                while (rows.next()) {
                    sum += rows.getLong(1);
                }
            }
            return String.valueOf(sum);
        } finally {
            connection.rollback();
            connection.setAutoCommit(true);
        }
    }

    private static String scrolled(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement(
                ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY);
                ResultSet rows = statement.executeQuery("SELECT id, item FROM orders WHERE id <= 20 ORDER BY id")) {
            rows.last();
            String last = rows.getString(2);
            rows.absolute(3);
            return last + " " + rows.getString(2);
        }
    }

    private static String array(Connection connection) throws SQLException {
        Array ids = connection.createArrayOf("int8", new Object[] {1L, 2L, 9L});
        String sql = "SELECT array_agg(id ORDER BY id) FROM orders WHERE id = ANY (?)";
        try (PreparedStatement query = connection.prepareStatement(sql)) {
            query.setArray(1, ids);
            try (ResultSet rows = query.executeQuery()) {
                rows.next();
                return Arrays.toString((Object[]) rows.getArray(1).getArray());
            }
        }
    }

    private static String call(Connection connection) throws SQLException {
        try (CallableStatement call = connection.prepareCall("{? = call upper(?)}")) {
            call.registerOutParameter(1, Types.VARCHAR);
            call.setString(2, "grille");
            call.execute();
            return call.getString(1);
        }
    }

    private static void writing(Connection connection) throws SQLException {
        report("inserted", () -> inserted(connection));
        report("batch", () -> batch(connection));
        report("updated", () -> updated(connection));
        report("updatable rows", () -> updatable(connection));
        report("rolled back", () -> rolledBack(connection));
        report("copied in", () -> copiedIn(connection));
        report("copied out", () -> copiedOut(connection));
        report("violation", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.execute("INSERT INTO shop.review (product_id, product_region, stars) VALUES (1, 'EU', 9)");
                return "nothing";
            } catch (SQLException error) {
                return error.getSQLState();
            }
        });
        report("deleted", () -> connection.createStatement().executeUpdate("DELETE FROM shop.review WHERE id > 30"));
        rows("reviews", () -> connection.createStatement().executeQuery("SELECT * FROM shop.review ORDER BY id"));
    }

    /** With the key that the server made: the driver adds RETURNING. */
    private static String inserted(Connection connection) throws SQLException {
        String sql = "INSERT INTO shop.product (region, category_id, title, price, uid, made, details)"
                + " VALUES (?, ?, ?, ?, ?, ?, ?::jsonb)";
        try (PreparedStatement insert = connection.prepareStatement(sql, Statement.RETURN_GENERATED_KEYS)) {
            insert.setString(1, "US");
            insert.setInt(2, 1);
            insert.setString(3, "A 'quoted' title");
            insert.setBigDecimal(4, new java.math.BigDecimal("12.34"));
            insert.setObject(5, UUID.fromString("10000000-0000-4000-8000-000000000001"));
            insert.setDate(6, Date.valueOf("2026-02-03"));
            insert.setString(7, "{\"a\": [1, 2]}");
            insert.executeUpdate();
            try (ResultSet keys = insert.getGeneratedKeys()) {
                keys.next();
                return keys.getLong("id") + " " + keys.getString("mood") + " " + keys.getString("gross");
            }
        }
    }

    private static String batch(Connection connection) throws SQLException {
        String sql = "INSERT INTO shop.review (product_id, product_region, stars, text) VALUES (?, ?, ?, ?)";
        try (PreparedStatement insert = connection.prepareStatement(sql)) {
            for (int number = 0; number < 10; number++) {
                insert.setLong(1, number % 12 + 1);
                insert.setString(2, "EU");
                insert.setInt(3, number % 5 + 1);
                insert.setString(4, "Batch " + number);
                insert.addBatch();
            }
            return String.valueOf(insert.executeBatch().length);
        }
    }

    private static String updated(Connection connection) throws SQLException {
        String sql = "UPDATE orders SET quantity = quantity + ? WHERE id = ? RETURNING quantity";
        try (PreparedStatement update = connection.prepareStatement(sql)) {
            update.setInt(1, 2);
            update.setLong(2, 4);
            try (ResultSet rows = update.executeQuery()) {
                rows.next();
                return rows.getString(1);
            }
        }
    }

    /** The driver looks for the primary key and writes the UPDATE itself. */
    private static String updatable(Connection connection) throws SQLException {
        try (Statement statement =
                connection.createStatement(ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_UPDATABLE);
                ResultSet rows = statement.executeQuery("SELECT id, item FROM orders WHERE id = 5")) {
            rows.next();
            rows.updateString("item", "changed");
            rows.updateRow();
        }
        try (ResultSet rows = connection.createStatement().executeQuery("SELECT item FROM orders WHERE id = 5")) {
            rows.next();
            return rows.getString(1);
        }
    }

    private static String rolledBack(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
        try (Statement statement = connection.createStatement()) {
            Savepoint savepoint = connection.setSavepoint("before");
            statement.executeUpdate("DELETE FROM shop.visit");
            connection.rollback(savepoint);
            int written = statement.executeUpdate("INSERT INTO shop.visit VALUES ('2026-05-06 07:08:09+00', '/')");
            connection.rollback();
            return String.valueOf(written);
        } finally {
            connection.setAutoCommit(true);
            connection.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
        }
    }

    private static String copiedIn(Connection connection) throws Exception {
        PGConnection postgres = connection.unwrap(PGConnection.class);
        String text = "2026-01-02 00:00:00+00\t/a\n2026-01-03 00:00:00+00\t/b\n";
        return String.valueOf(postgres.getCopyAPI().copyIn("COPY shop.visit FROM STDIN", new StringReader(text)));
    }

    private static String copiedOut(Connection connection) throws Exception {
        PGConnection postgres = connection.unwrap(PGConnection.class);
        StringWriter text = new StringWriter();
        postgres.getCopyAPI().copyOut("COPY (SELECT * FROM shop.visit ORDER BY at) TO STDOUT (FORMAT csv)", text);
        return text.toString();
    }
}
