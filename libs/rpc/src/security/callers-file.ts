import { createHash, timingSafeEqual } from 'node:crypto';
import { MedformerError } from '@medformer/schema';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { SCOPES } from './rpc-scopes.js';

const entry = z
  .strictObject({
    name: z.string().min(1),
    /** Of the token's UTF-8 bytes, in hex; two while a token is replaced. */
    tokenSha256: z
      .union([z.hash('sha256'), z.array(z.hash('sha256')).min(1)])
      .transform((value) => [value].flat())
      .optional(),
    /** `sub` of a JSON Web Token, e.g. `system:serviceaccount:clinic:ui`. */
    subject: z.string().min(1).optional(),
    /** A DNS or URI name of a client certificate, or its common name. */
    certificate: z.string().min(1).optional(),
    scopes: z.array(z.enum(SCOPES)),
    callsPerSecond: z.number().positive().optional(),
    concurrentCalls: z.int().positive().optional(),
  })
  .refine(({ tokenSha256, subject, certificate }) => tokenSha256 ?? subject ?? certificate, {
    message: 'expected tokenSha256, subject or certificate',
  });

const file = z.strictObject({ callers: z.array(entry) });

export type CallerEntry = z.output<typeof entry>;

/** The callers that an operator has listed, found by what they show. */
export class Callers {
  private readonly digests: { digest: Buffer; entry: CallerEntry }[];

  private constructor(private readonly entries: readonly CallerEntry[]) {
    this.digests = entries.flatMap((each) =>
      (each.tokenSha256 ?? []).map((hex) => ({ digest: Buffer.from(hex, 'hex'), entry: each })),
    );
  }

  /** @throws MedformerError INVALID_ARGUMENT that names the file and the field; never a token's hash. */
  static parse(path: string, contents: Buffer): Callers {
    let value: unknown;
    try {
      value = parseYaml(contents.toString('utf8'));
    } catch (cause) {
      throw new MedformerError('INVALID_ARGUMENT', `${path}: not YAML or JSON`, { cause });
    }
    const parsed = file.safeParse(value);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw new MedformerError('INVALID_ARGUMENT', `${path}: ${issue!.path.join('.')}: ${issue!.message}`);
    }
    const names = parsed.data.callers.map(({ name }) => name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined)
      throw new MedformerError('INVALID_ARGUMENT', `${path}: two callers are named ${twice}`);
    return new Callers(parsed.data.callers);
  }

  /** Compares with every hash and each in constant time, so that the time taken tells nothing of them. */
  byToken(token: string): CallerEntry | undefined {
    const digest = createHash('sha256').update(token).digest();
    let found: CallerEntry | undefined;
    for (const each of this.digests) if (timingSafeEqual(each.digest, digest)) found = each.entry;
    return found;
  }

  bySubject(subject: string): CallerEntry | undefined {
    return this.entries.find((each) => each.subject === subject);
  }

  byCertificate(names: readonly string[]): CallerEntry | undefined {
    return this.entries.find((each) => each.certificate !== undefined && names.includes(each.certificate));
  }
}
