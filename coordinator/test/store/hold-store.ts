// Opens the store named on the command line, says so, and holds it until it is killed.
import { openSqliteStore } from "../../src/store/sqlite.js";

const [path = ""] = process.argv.slice(2);
await openSqliteStore(path);
process.stdout.write("open\n");
process.stdin.resume();
