// express-openid-connect with http-proxy-middleware. From express-openid-connect's EXAMPLES: "Use a
// custom session store" (connect-redis), "Obtaining access tokens to call external APIs" and
// "Refreshing an access token"; from http-proxy-middleware's README: an agent with keepAlive; from
// Express' "Production best practices": NODE_ENV=production, and morgan for the request log.
import http from "node:http";
import express from "express";
import morgan from "morgan";
import oidc from "express-openid-connect";
import { RedisStore } from "connect-redis";
import { createClient } from "redis";
import { createProxyMiddleware } from "http-proxy-middleware";

const { PORT, API, PROVIDER, REDIS } = process.env;
const client = createClient({ url: REDIS });
await client.connect();

const app = express();
app.use(morgan("combined"));
app.use(
  oidc.auth({
    issuerBaseURL: PROVIDER,
    baseURL: `http://127.0.0.1:${PORT}`,
    clientID: "load",
    clientSecret: "not-a-secret",
    secret: "a-long-text-that-protects-nothing-here",
    authRequired: true,
    authorizationParams: { response_type: "code", scope: "openid offline_access" },
    session: { store: new RedisStore({ client, prefix: "express:" }) },
  }),
);
app.use(async (request, response, next) => {
  let token = request.oidc.accessToken;
  if (token.isExpired()) {
    token = await token.refresh();
  }
  request.headers.authorization = `Bearer ${token.access_token}`;
  delete request.headers.cookie;
  next();
});
app.use(createProxyMiddleware({ target: API, agent: new http.Agent({ keepAlive: true, maxSockets: 256 }) }));

const server = app.listen(Number(PORT), "127.0.0.1", 8192);
server.keepAliveTimeout = 75_000;
