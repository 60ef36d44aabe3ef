import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { runToEnd } from '../process.ts'
import { CannotInstall } from '../server.ts'
import { findProgram } from './debian.ts'

/** Files of a server's certificate and of the private authority that signed it, PEM. */
export interface Certificate {
  readonly ca: string
  readonly certificate: string
  readonly key: string
}

/** Where {@link makeCertificate} puts its files. */
export function certificateIn(folder: string): Certificate {
  return { ca: join(folder, 'ca.pem'), certificate: join(folder, 'server.pem'), key: join(folder, 'server.key') }
}

/** A certificate for localhost and 127.0.0.1 by an authority of its own, good for 30 days; what is there is kept. */
export async function makeCertificate(folder: string): Promise<void> {
  const { ca, certificate, key } = certificateIn(folder)
  if (existsSync(certificate)) return
  const program = findProgram('openssl')
  if (program === undefined) throw new CannotInstall('openssl', 'install OpenSSL')
  const openssl = (...args: string[]): Promise<string> => runToEnd({ program, args }, folder)
  const caKey = join(folder, 'ca.key')
  const request = join(folder, 'server.csr')
  await openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-keyout', caKey, '-out', ca, '-subj', '/CN=sluice test authority')
  await openssl(
    'req',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    key,
    '-out',
    request,
    '-subj',
    '/CN=localhost',
    '-addext',
    'subjectAltName=DNS:localhost,IP:127.0.0.1',
  )
  await openssl('x509', '-req', '-in', request, '-CA', ca, '-CAkey', caKey, '-CAcreateserial', '-days', '30', '-copy_extensions', 'copy', '-out', certificate)
}
