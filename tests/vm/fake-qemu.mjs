/** Plays QEMU for the launcher's tests: serves QMP on every socket that is asked for, and ends when it is told to. */
import { createServer } from "node:net";

const sockets = process.argv
  .slice(2)
  .flatMap((argument) => /^socket,id=(?:qmp|control),path=([^,]*)/.exec(argument)?.[1] ?? []);
const heedsPowerButton = process.env.FAKE_DEAF === undefined;

function answer(command, line) {
  if (command === "system_powerdown" && heedsPowerButton) setTimeout(() => process.exit(0), 50);
  if (command === "quit") setTimeout(() => process.exit(0), 10);
  if (command === "query-status") return { status: "running" };
  if (command !== "human-monitor-command") return {};
  return line === "info usernet" ? "  TCP[HOST_FORWARD]  12  127.0.0.1  39553  10.0.3.15  1022  0  0\r\n" : "";
}

for (const path of sockets) {
  createServer((socket) => {
    socket.write('{"QMP": {"version": {}, "capabilities": []}}\r\n');
    socket.setEncoding("utf8").on("data", (chunk) => {
      for (const text of chunk.trim().split("\n")) {
        const { execute, arguments: given, id } = JSON.parse(text);
        socket.write(`${JSON.stringify({ return: answer(execute, given?.["command-line"]), id })}\r\n`);
      }
    });
    socket.on("error", () => {});
  }).listen(path);
}
process.stdout.write("a line of the console\n");
setTimeout(() => process.exit(3), 60_000);
