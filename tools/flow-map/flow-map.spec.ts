import { describe, expect, it } from 'vitest';
import { drawMermaid, END, findGaps, placeDrawing, START } from './flow-map.mjs';

const ingestion = { service: 'ingestion', reads: ['RawImage'], writes: ['Shard'] };
const encoder = { service: 'encoder', reads: ['Shard'], writes: ['Embedding'] };
const evaluation = { service: 'evaluation', reads: ['Shard'], writes: ['ScoreReport'] };

describe('findGaps', () => {
  it('finds none in a flow from raw image to embedding and report', () => {
    expect(findGaps([ingestion, encoder, evaluation])).toEqual([]);
  });

  it('names an artefact that is read but never written, and one written but never read', () => {
    expect(findGaps([{ ...ingestion, writes: ['Manifest'] }, encoder, evaluation])).toEqual([
      'Shard is read, but no service writes it',
      'Manifest is written, but no service reads it',
    ]);
  });
});

describe('placeDrawing', () => {
  it('replaces what stands between the marks and nothing else, and is stable when run again', () => {
    const drawing = drawMermaid([ingestion]);
    const once = placeDrawing(`before\n${START}\nold\n${END}\nafter`, drawing);
    expect(once).toBe(`before\n${START}\n${drawing}\n${END}\nafter`);
    expect(placeDrawing(once, drawing)).toBe(once);
    expect(drawing).toContain('RawImage --> ingestion');
  });

  it('refuses a document without marks', () => {
    expect(() => placeDrawing('no marks', 'x')).toThrow('expected the marks');
  });
});
