/** Swagger UI on this service's own description. */

/* global SwaggerUIBundle */

const ADDRESS = "openapi.json";
let token = "";

/** With a token the service tells more of itself, so its description is read again once there is one. */
function readAgainWithToken() {
  const authorize = (original, system) => (given) => {
    token = given.token?.value ?? "";
    const done = original(given);
    system.specActions.download(ADDRESS);
    return done;
  };
  return { statePlugins: { auth: { wrapActions: { authorize } } } };
}

function addToken(request) {
  if (request.loadSpec && token) request.headers.Authorization = `Bearer ${token}`;
  return request;
}

document.documentElement.classList.toggle("dark-mode", matchMedia("(prefers-color-scheme: dark)").matches);
SwaggerUIBundle({
  dom_id: "#swagger-ui",
  url: ADDRESS,
  validatorUrl: null, // else it asks a server on the internet
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  requestInterceptor: addToken,
  plugins: [readAgainWithToken],
});
