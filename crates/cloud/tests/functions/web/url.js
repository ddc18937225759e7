const url = new URL("../b?x=1#h", "https://u:p@EX.com:8080/a/c/");
is(url.href, "https://u:p@ex.com:8080/a/b?x=1#h");
is([url.origin, url.protocol, url.username, url.password], ["https://ex.com:8080", "https:", "u", "p"]);
is([url.host, url.hostname, url.port, url.pathname, url.search, url.hash], ["ex.com:8080", "ex.com", "8080", "/a/b", "?x=1", "#h"]);
is(JSON.stringify({ url }), `{"url":"${url}"}`);
is(Object.prototype.toString.call(url), "[object URL]");

// The query lives in two places.
url.searchParams.append("y", "2 3");
is(url.search, "?x=1&y=2+3");
url.search = "?q=9";
is([...url.searchParams], [["q", "9"]]);
url.searchParams.delete("q");
is(url.href, "https://u:p@ex.com:8080/a/b#h");
url.href = "http://other/?z=1";
is(url.searchParams.get("z"), "1");

// What a part cannot take changes nothing.
url.port = "no";
url.protocol = "file";
is(url.href, "http://other/?z=1");
is(thrown(() => (url.href = "nonsense")), "TypeError");
is([thrown(() => new URL("x")), thrown(() => new URL()), thrown(() => URL.prototype.href)], ["TypeError", "TypeError", "TypeError"]);
is([URL.canParse("a:b"), URL.canParse("x"), URL.canParse("x", "http://a"), URL.parse("x")], [true, false, true, null]);
is(new URL("http://a/\ud800").href, "http://a/%EF%BF%BD");

const params = new URLSearchParams([["b", "2"], ["a", "1"], ["b", "3"]]);
params.sort();
is(params.toString(), "a=1&b=2&b=3");
is([params.size, params.getAll("b"), params.has("b", "9"), params.get("c")], [3, ["2", "3"], false, null]);
params.set("b", "ü &");
is(`${params}`, "a=1&b=%C3%BC+%26");
is([...new URLSearchParams("?a=%zz+b&=&c")], [["a", "%zz b"], ["", ""], ["c", ""]]);
is(`${new URLSearchParams({ x: 1, y: [1, 2] })}`, "x=1&y=1%2C2");
is(thrown(() => new URLSearchParams([["a"]])), "TypeError");
