/**
 * A web application with a database: nginx in front, a guest book in Python behind it, its entries in PostgreSQL. `machine.test.ts` beside this file
 * boots it and writes into the book.
 */
import { define, defineMachine } from "osmod";

export default defineMachine({
  config: ({ pkgs }) =>
    define({
      networking: { hostName: "webapp", firewall: { allowedTCPPorts: [80] } },

      services: {
        nginx: {
          enable: true,
          virtualHosts: { localhost: { default: true, locations: { "/": { proxyPass: "http://127.0.0.1:8000" } } } },
        },
        postgresql: {
          enable: true,
          ensureDatabases: ["guestbook"],
          ensureUsers: [{ name: "guestbook", ensureDBOwnership: true }],
        },
      },

      users: {
        users: {
          root: { initialPassword: "root" },
          // The database lets users of the machine in under their own names, without a password.
          guestbook: { isSystemUser: true, group: "guestbook" },
        },
        groups: { guestbook: {} },
      },

      environment: { systemPackages: ["python3-minimal", "python3-psycopg2", "curl"].map((name) => pkgs[name]!) },

      systemd: {
        services: {
          guestbook: {
            description: "Guest book",
            wantedBy: ["multi-user.target"],
            requires: ["postgresql.target"],
            after: ["postgresql.target"],
            serviceConfig: {
              Type: "notify",
              NotifyAccess: "all",
              User: "guestbook",
              Restart: "on-failure",
              ExecStart: () => `/usr/bin/python3 ${pkgs.writeText("guestbook.py", program)}`,
            },
          },
        },
      },

      // Heeded by the virtual machine only.
      virtualisation: { memorySize: 1536, forwardPorts: [{ from: "host", host: { port: 8081 }, guest: { port: 80 } }] },

      // The real machine's disk.
      fileSystems: { "/": { device: "/dev/disk/by-label/webapp-root", fsType: "ext4" } },
      system: { stateVersion: "13" },
    }),
});

const program = `
import http.server, os, socket
import psycopg2

database = psycopg2.connect(dbname="guestbook", host="/run/postgresql")
database.autocommit = True
with database.cursor() as cursor:
    cursor.execute("CREATE TABLE IF NOT EXISTS entries (id SERIAL PRIMARY KEY, entry TEXT NOT NULL)")

class Book(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with database.cursor() as cursor:
            cursor.execute("SELECT entry FROM entries ORDER BY id")
            self.answer("".join(row[0] + "\\n" for row in cursor.fetchall()))

    def do_POST(self):
        entry = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with database.cursor() as cursor:
            cursor.execute("INSERT INTO entries (entry) VALUES (%s)", (entry,))
        self.answer("thank you\\n")

    def answer(self, text):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

server = http.server.HTTPServer(("127.0.0.1", 8000), Book)
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
server.serve_forever()
`;
