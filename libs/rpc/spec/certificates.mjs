// A certificate authority for tests, made when they run.
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { generate } from 'selfsigned';

/** @typedef {{ key: string, cert: string }} KeyAndCertificate in PEM */

const EC = { keyType: /** @type {const} */ ('ec'), algorithm: 'sha256' };

/** @returns {Promise<KeyAndCertificate>} */
export async function makeAuthority() {
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
 * @param {KeyAndCertificate} ca
 * @param {string} commonName
 * @param {{ dns?: string, uri?: string, notAfterDate?: Date }} [options] `dns`: a name in place of this machine's
 * @returns {Promise<KeyAndCertificate>}
 */
export async function issue(ca, commonName, { dns, uri, notAfterDate } = {}) {
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
          { type: 2, value: dns ?? 'localhost' },
          ...(dns ? [] : [{ type: /** @type {const} */ (7), ip: '127.0.0.1' }]),
          ...(uri ? [{ type: /** @type {const} */ (6), value: uri }] : []),
        ],
      },
    ],
  });
  return { key: made.private, cert: made.cert };
}

/**
 * Writes files as a rotation does: each appears whole.
 * @param {Record<string, string>} files texts by path
 */
export async function writeFiles(files) {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  }
}
