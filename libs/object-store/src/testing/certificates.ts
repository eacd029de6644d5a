// A certificate authority for tests, made when they run.
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { generate } from 'selfsigned';

/** In PEM. */
export interface KeyAndCertificate {
  key: string;
  cert: string;
}

const EC = { keyType: 'ec', algorithm: 'sha256' } as const;

export async function makeAuthority(): Promise<KeyAndCertificate> {
  const made = await generate([{ name: 'commonName', value: 'test authority' }], {
    ...EC,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  return { key: made.private, cert: made.cert };
}

/**
 * A certificate for a server on this machine or for a client, signed by the authority.
 * @param options `dns`: names in place of this machine's
 */
export async function issue(
  ca: KeyAndCertificate,
  commonName: string,
  { dns, uri, notAfterDate }: { dns?: string | string[]; uri?: string; notAfterDate?: Date } = {},
): Promise<KeyAndCertificate> {
  const made = await generate([{ name: 'commonName', value: commonName }], {
    ...EC,
    ca,
    ...(notAfterDate ? { notAfterDate, notBeforeDate: new Date(notAfterDate.getTime() - 86_400_000) } : {}),
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true },
      { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          ...[dns ?? 'localhost'].flat().map((value) => ({ type: 2 as const, value })),
          ...(dns ? [] : [{ type: 7 as const, ip: '127.0.0.1' }]),
          ...(uri ? [{ type: 6 as const, value: uri }] : []),
        ],
      },
    ],
  });
  return { key: made.private, cert: made.cert };
}

/**
 * Writes files as a rotation does: each appears whole.
 * @param files texts by path
 */
export async function writeFiles(files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  }
}
