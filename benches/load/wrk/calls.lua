-- The calls of one scenario. Arguments: method, path, file of header lines, length of the body,
-- file of cookies. One cookie: every call is the same text. Several: they take turns.

local calls, turn = {}, 0

function init(arguments)
  local method, path, header_file, length, cookie_file = unpack(arguments)
  wrk.method, wrk.path = method, path
  for line in io.lines(header_file) do
    local name, value = line:match("^([^:]+): (.*)$")
    wrk.headers[name] = value
  end
  if tonumber(length) > 0 then
    wrk.body = string.rep("x", tonumber(length))
  end
  local own = wrk.headers["Cookie"]
  for cookie in io.lines(cookie_file) do
    wrk.headers["Cookie"] = own and (own .. "; " .. cookie) or cookie
    calls[#calls + 1] = wrk.format()
  end
  if #calls == 0 then
    calls[1] = wrk.format()
  end
  if #calls > 1 then
    function request()
      turn = turn % #calls + 1
      return calls[turn]
    end
  end
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\n{"calls":%d,"seconds":%.6f,"bytes":%d,"errors":%d,"kinds":"%s","p50_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    e.connect + e.read + e.write + e.status + e.timeout,
    string.format("%d connect, %d read, %d write, %d status, %d timeout", e.connect, e.read, e.write, e.status, e.timeout),
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
