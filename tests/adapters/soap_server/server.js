// A SOAP server of our own that serves a WSDL of ours: a stand-in, not ATAL, not AS-TECH.
// Usage: node server.js FILE.wsdl PATH; prints its port, then one JSON line per call.
// The object of a demand says how it is answered: refuse…, panne…, lent… (answer lost).
const http = require("http");
const fs = require("fs");
const soap = require("soap");

const [wsdlFile, path] = process.argv.slice(2);
const tickets = new Map();
const first = path.includes("awa") ? "Planifiée" : "A COMPLETER";
const fault = (code, text) => {
  throw { Fault: { faultcode: code, faultstring: text, statusCode: 500 } };
};
const tell = (call, args) => console.log(JSON.stringify({ call, args }));

function insert(call) {
  return (args) => {
    tell(call, args);
    const object = args.demandeObjet || args.objet || "";
    if (object.startsWith("refuse")) fault("soap:Client", "typeDemande inconnu");
    if (object.startsWith("panne")) fault("soap:Server", "base indisponible");
    const id = `D${tickets.size + 1}`;
    tickets.set(id, { args, etat: first, fichiers: [] });
    if (object.startsWith("lent")) behaviour = "reset";
    return id;
  };
}

let behaviour = "";
const upload = (args) => {
  tell("upload", { ...args, content: (args.content || "").length });
  if (!tickets.has(args.numeroDemande)) fault("soap:Client", "demande inconnue");
  if (args.filename.endsWith("-9.jpg")) fault("soap:Client", "fichier refusé");
  tickets.get(args.numeroDemande).fichiers.push(args.filename);
  return {};
};

const atal = {
  testConnection: () => ({ testConnectionReturn: "OK" }),
  insertDemandeByType: (args) => ({ insertDemandeByTypeReturn: insert("insertDemandeByType")(args) }),
  insertDemandeXYByType: (args) => ({
    insertDemandeXYByTypeReturn: insert("insertDemandeXYByType")(args),
  }),
  upload,
  retrieveDetailsDemande: (args) => ({
    codeDemande: args.numeroDemande,
    etatDemande: { description: tickets.get(args.numeroDemande).etat },
    objetDemande: tickets.get(args.numeroDemande).args.demandeObjet,
    commentairesDestinataires: "Équipe prévenue",
  }),
};
const example = {
  testerConnexion: () => ({ reponse: "OK" }),
  creerDemande: (args) => ({ identifiant: insert("creerDemande")(args), numero: "2026-1" }),
  ajouterDocument: (args) => {
    upload({ numeroDemande: args.identifiant, filename: args.nom, content: args.contenu });
    return {};
  },
  lirePosition: (args) => ({ position: tickets.get(args.identifiant).etat }),
};

const expected = "Basic " + Buffer.from("voirie:un-mot-de-passe").toString("base64");
const raw = { "/html": [200, "<html><body>Bonjour</body></html>"], "/503": [503, "plus tard"],
  "/403": [403, "non"], "/half": [200, "<?xml version='1.0'?><soap:Envelope xmlns:soap='http://sch"],
  "/dtd": [200, "<!DOCTYPE a [<!ENTITY x 'y'>]><soap:Envelope xmlns:soap=" +
    "'http://schemas.xmlsoap.org/soap/envelope/'><soap:Body>&x;</soap:Body></soap:Envelope>"],
  "/500": [500, "Internal Server Error"] };

// Behind the service: what its people see and do.
function behind(url) {
  if (url.pathname === "/move") {
    tickets.get(url.searchParams.get("id")).etat = url.searchParams.get("etat");
  }
  return JSON.stringify([...tickets].map(([id, ticket]) => ({ id, ...ticket })));
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, "http://localhost");
  if (["/move", "/tickets"].includes(url.pathname)) {
    response.writeHead(200, { "Content-Type": "application/json" }).end(behind(url));
    return;
  }
  const [status, body] = raw[request.url] || [404, "not found: " + request.url];
  request.resume();
  response.writeHead(status, { "Content-Type": "text/html", "Retry-After": "7" }).end(body);
});
// An answer that must be lost is cut here, when the ticket exists already.
function losingAnswers(request, response) {
  for (const name of ["write", "end"]) {
    const answer = response[name];
    response[name] = (...rest) => {
      if (behaviour !== "reset") return answer.apply(response, rest);
      if (name === "end") behaviour = "";
      request.socket.destroy();
      return true;
    };
  }
}

server.listen(0, "127.0.0.1", () => {
  const listening = soap.listen(server, {
    path,
    services: { DemandeService: { DemandePort: path.includes("awa") ? atal : example } },
    xml: fs.readFileSync(wsdlFile, "utf8"),
    // The library has put its own listener first only now.
    callback: () => setImmediate(() => {
      server.prependListener("request", losingAnswers);
      console.log(String(server.address().port));
    }),
  });
  listening.authorizeConnection = (request, response) => {
    response.statusCode = request.headers.authorization === expected ? 200 : 401;
    return response.statusCode === 200;
  };
});
