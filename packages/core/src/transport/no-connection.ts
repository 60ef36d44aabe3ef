import { isSluiceError, SluiceError } from '../errors/index.ts'

const fixes: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Start the server, or correct host and port',
  ENOTFOUND: 'Correct the host name',
  EAI_AGAIN: 'Correct the host name, or see why names cannot be looked up',
}
const trustFixes: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "Renew the server's certificate, or put the clock of this machine right",
  CERT_NOT_YET_VALID: 'Put the clock of this machine right, or that of who made the certificate',
  CERT_REVOKED: "Renew the server's certificate",
  ERR_TLS_CERT_ALTNAME_INVALID: 'Connect by a name that the certificate holds',
}
// Codes of OpenSSL's verification, as Node passes them on.
const untrusted = /^(CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_|INVALID_CA$|INVALID_PURPOSE$|HOSTNAME_MISMATCH$)/

/**
 * The error of a connection that could not be opened: TRANSPORT_UNTRUSTED where the server's certificate is at fault, else
 * TRANSPORT_FAILED, each with what to do. A SluiceError comes back as it is.
 *
 * `shown`: where to, without secrets; `key`: the transport's name in `transportOptions`; `otherwise`: what to do about whatever is not
 * known here (the wrong protocol, most likely).
 */
export function noConnection(cause: unknown, shown: string, key: string, otherwise: string): SluiceError {
  if (isSluiceError(cause)) return cause
  const code = codeOf(cause)
  const where = `cannot connect to ${shown}${code === '' ? '' : ` (${code})`}`
  const authority = `Name the file of the authority that signed it: ?ca=/path/to/ca.pem in the URL, or transportOptions: { ${key}: { ca } }`
  if (trustFixes[code] !== undefined || untrusted.test(code))
    return new SluiceError('TRANSPORT_UNTRUSTED', where, { cause, fix: trustFixes[code] ?? authority })
  return new SluiceError('TRANSPORT_FAILED', where, { cause, fix: fixes[code] ?? otherwise })
}

/** The first code there is, of the error or of what caused it; '' without one. */
function codeOf(cause: unknown): string {
  for (let at = cause; at instanceof Error; at = at.cause) if ('code' in at && typeof at.code === 'string') return at.code
  return ''
}
