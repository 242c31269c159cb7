import t from "tap";
import { isPublicAddress, requirePublicHost } from "../../src/webhooks/address-guard.js";

t.test("addresses of this machine, of private networks, and ways around are not public", (t) => {
  for (const address of [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "169.254.169.254",
    "172.31.255.255",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "fe80::1",
    "fd00::1",
    "ff02::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "not an address",
  ]) {
    t.equal(isPublicAddress(address), false, address);
  }
  for (const address of ["8.8.8.8", "172.32.0.1", "2606:4700:4700::1111"])
    t.equal(isPublicAddress(address), true, address);
  t.end();
});

t.test("an address written in whatever form is seen through, and names are left to the connection", (t) => {
  for (const url of [
    "https://127.1/",
    "https://0x7f000001/",
    "https://2130706433/",
    "https://[::1]:8443/",
    "https://0/",
  ]) {
    t.throws(() => requirePublicHost(new URL(url)), { code: "UNREACHABLE" }, url);
  }
  t.doesNotThrow(() => requirePublicHost(new URL("https://hooks.example.org/")));
  t.end();
});
