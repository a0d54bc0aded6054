// A real OpenID Connect issuer (oidc-provider) on one port, and on a second one what tests do to it: sign any claims with
// its keys, rotate them, take it off the network. Everything secret is made when it starts or comes with the settings.
//
// Settings are JSON in the environment variable IDENTITY_PROVIDER:
// { port, control_port, audience, clients: [{ id, secret, algorithm, claims }] }.

import { createHmac, randomUUID } from "node:crypto";
import { createServer } from "node:http";

import { SignJWT, base64url, exportJWK, exportSPKI, generateKeyPair } from "jose";
import { Provider } from "oidc-provider";

const ALGORITHMS = ["RS256", "ES256"];
const TOKEN_TTL_S = 3600;

const settings = JSON.parse(process.env.IDENTITY_PROVIDER);
const issuer = `http://127.0.0.1:${settings.port}`;
const clients = new Map(settings.clients.map((client) => [client.id, client]));

let keys = await generateKeys();
let retired = [];
let handler = await providerFor(keys);
let outage = false;

const front = createServer((request, response) => handler(request, response));
front.on("connection", (socket) => {
  if (outage) socket.destroy();
});
front.listen(settings.port, "127.0.0.1");

createServer(control).listen(settings.control_port, "127.0.0.1");

/** One key pair for each algorithm, with a key id of its own. */
async function generateKeys() {
  const pairs = ALGORITHMS.map(async (alg) => {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    return { alg, kid: randomUUID(), publicKey, privateKey };
  });
  return Promise.all(pairs);
}

/** oidc-provider takes its keys when it is made, so a rotation makes a new one behind the same port. */
async function providerFor(published) {
  const jwks = await Promise.all(published.map(async (key) => ({
    ...(await exportJWK(key.privateKey)),
    alg: key.alg,
    kid: key.kid,
    use: "sig",
  })));
  return new Provider(issuer, configuration(jwks)).callback();
}

function configuration(jwks) {
  return {
    jwks: { keys: jwks },
    clients: settings.clients.map((client) => ({
      client_id: client.id,
      client_secret: client.secret,
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: "client_secret_post",
    })),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => settings.audience,
        getResourceServerInfo: (_context, resource, client) => ({
          audience: resource,
          scope: "",
          accessTokenFormat: "jwt",
          accessTokenTTL: TOKEN_TTL_S,
          jwt: { sign: { alg: clients.get(client.clientId).algorithm } },
        }),
      },
    },
    extraTokenClaims: (_context, token) => clients.get(token.clientId).claims,
  };
}

/** The second port: what a test does to the issuer. */
async function control(request, response) {
  try {
    const body = await readJson(request);
    const answer = await ROUTES[`${request.method} ${request.url}`](body);
    response.writeHead(200, { "content-type": "text/plain" }).end(answer);
  } catch (error) {
    response.writeHead(400, { "content-type": "text/plain" }).end(String(error));
  }
}

const ROUTES = {
  "GET /ready": async () => "ready",
  "POST /mint": mint,
  "POST /rotate": rotate,
  "POST /outage": async ({ on }) => {
    outage = on;
    if (on) front.closeAllConnections();
    return "";
  },
  "GET /public-key": async () => exportSPKI(keyFor("RS256").publicKey),
};

async function readJson(request) {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text === "" ? {} : JSON.parse(text);
}

/** Replaces every key. `keep` goes on publishing the old ones beside the new, as a careful issuer does. */
async function rotate({ keep }) {
  retired = keys;
  keys = await generateKeys();
  handler = await providerFor(keep ? [...keys, ...retired] : keys);
  return "";
}

/** Signs `claims` as they are. `signature` says with what, `header` overrides protected header parameters. */
async function mint({ claims, header, signature }) {
  switch (signature) {
    case "RS256":
    case "ES256":
      return sign(keyFor(signature), claims, header);
    case "retired":
      return sign(retired[0], claims, header);
    case "unknown":
      return sign((await generateKeys())[0], claims, header);
    case "unknown-under-known-id":
      return sign({ ...(await generateKeys())[0], kid: keyFor("RS256").kid }, claims, header);
    case "none":
      return unsigned(claims, { typ: "at+jwt", alg: "none", ...header });
    case "hmac-public-key":
      return hmac(await exportSPKI(keyFor("RS256").publicKey), claims, header);
    default:
      throw new Error(`no such signature: ${signature}`);
  }
}

function keyFor(algorithm) {
  return keys.find((key) => key.alg === algorithm);
}

function sign(key, claims, header) {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: "at+jwt", ...header })
    .sign(key.privateKey);
}

function signingInput(claims, header) {
  return [header, claims].map((part) => base64url.encode(JSON.stringify(part))).join(".");
}

function unsigned(claims, header) {
  return `${signingInput(claims, header)}.`;
}

/** The classic confusion: the public key, which everybody has, used as an HMAC secret. */
function hmac(secret, claims, header) {
  const input = signingInput(claims, { alg: "HS256", kid: keyFor("RS256").kid, typ: "at+jwt", ...header });
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}
