import type { Command } from 'commander';
import { words } from '../arguments.js';
import type { WithContext } from '../context.js';
import { deidentifyFolder } from '../deidentify/deidentify-folder.js';
import { pseudonymKey } from '../deidentify/pseudonym-key.js';
import { readSpec } from '../spec-file.js';
import { facts } from '../terminal.js';

interface Options {
  keyFile?: string;
  profile?: string;
  labels: string[];
  skipBadFiles: boolean;
}

export function registerDeidentify(program: Command, bind: WithContext): void {
  program
    .command('deidentify')
    .description(
      'copy a folder without identities (DICOM by PS3.15 Annex E, NIfTI, PNG, JPEG, TIFF), on this machine',
    )
    .argument('<in>', 'folder of originals; it stays as it is')
    .argument('<out>', 'new folder for what may leave')
    .option(
      '--key-file <file>',
      'key of pseudonyms, UIDs and shifts of dates; drawn where the file is not there yet',
    )
    .option('--profile <file>', 'YAML: options, pixelRegions, acceptUnstatedPixels')
    .option('--labels <columns>', 'columns of labels.csv to keep beside those of known meaning', words, [])
    .option('--skip-bad-files', 'end well although files were refused', false)
    .addHelpText(
      'after',
      `
No service is called: nothing leaves this machine. Without --key-file the key is MEDFORMER_PSEUDONYM_KEY.
Keep the key where the originals are: who has it can tell which patient is which.
What was done stands in <out>.audit.json, in counts and keyed hashes.

Examples:
  $ medformer deidentify archive/ clean/ --key-file site.key
  $ medformer ingest clean/ --name my-scans --skip-bad-files`,
    )
    .action(
      bind(async ({ terminal, signal }, source: string, target: string, options: Options) => {
        const outcome = await deidentifyFolder(source, target, {
          settings: {
            ...(await readSpec(options.profile)),
            key: await pseudonymKey(options.keyFile, process.env, [target]),
          },
          labels: options.labels,
          skipBadFiles: options.skipBadFiles,
          terminal,
          signal,
        });
        terminal.result(
          outcome,
          facts([
            ['folder', outcome.folder],
            ['files', String(outcome.files)],
            ...(outcome.refused.length > 0
              ? [['refused', `${outcome.refused.length} files`] as [string, string]]
              : []),
            ...(outcome.leftOut > 0
              ? [['left out', `${outcome.leftOut} files that are no images`] as [string, string]]
              : []),
            ['audit', outcome.auditFile],
          ]),
        );
      }),
    );
}
