// Verifies signed tokens with the npm package `paseto`, of whose code nothing is ours. Standard
// input: a JSON object a line, {"public": "k3.public.…", "token": "v3.public.…"}. For each a line
// comes out: {"claims", "footer", "pid"}, or {"error"}.

import { createInterface } from 'node:readline'
import { PublicProtocol } from 'paseto'
import { ImportPublicKeyFactory, PublicKeyIDFactory, VerifyFactory } from 'paseto/v3/public'

const v3 = new PublicProtocol(ImportPublicKeyFactory, PublicKeyIDFactory, VerifyFactory)
const age = { allowNonExpiring: true, maxTokenAge: 60, clockTolerance: 1 }

async function verify(line) {
	const { public: text, token } = JSON.parse(line)
	const { claims, footer } = await v3.Verify(await v3.ImportPublicKey(text), token, age)
	return { claims, footer: new TextDecoder().decode(footer), pid: await v3.PublicKeyID(text) }
}

for await (const line of createInterface({ input: process.stdin })) {
	const told = await verify(line).catch((error) => ({ error: error.code ?? error.message }))
	console.log(JSON.stringify(told))
}
