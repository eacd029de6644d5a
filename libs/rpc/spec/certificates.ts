// A certificate authority for tests, made when they run.
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { generate } from 'selfsigned';

export interface KeyAndCertificate {
  key: string;
  cert: string;
}

const ec = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const;

export async function makeAuthority(commonName = 'test authority'): Promise<KeyAndCertificate> {
  const made = await generate([{ name: 'commonName', value: commonName }], {
    ...ec,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  return { key: made.private, cert: made.cert };
}

/** A certificate for a server on this machine or for a client, signed by the authority. */
export async function issue(
  ca: KeyAndCertificate,
  commonName: string,
  { uri, notAfterDate }: { uri?: string; notAfterDate?: Date } = {},
): Promise<KeyAndCertificate> {
  const made = await generate([{ name: 'commonName', value: commonName }], {
    ...ec,
    ca,
    ...(notAfterDate ? { notAfterDate, notBeforeDate: new Date(notAfterDate.getTime() - 86_400_000) } : {}),
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true },
      { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
          ...(uri ? [{ type: 6 as const, value: uri }] : []),
        ],
      },
    ],
  });
  return { key: made.private, cert: made.cert };
}

/** Writes files as a rotation does: each appears whole. */
export async function writeFiles(files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  }
}
