import type { TaskKind } from '@medformer/schema';

/** What MedMNIST's own info file (medmnist 3.0.2, info.py) and its paper's table say of a set. */
export interface MedmnistSet {
  kind: TaskKind;
  classes: string[];
  channels: 1 | 3;
  dimensions: 2 | 3;
  modality: string;
  bodyPart: string;
}

const ORGANS_2D = [
  'bladder',
  'femur-left',
  'femur-right',
  'heart',
  'kidney-left',
  'kidney-right',
  'liver',
  'lung-left',
  'lung-right',
  'pancreas',
  'spleen',
];

const organs2d = grey('multi-class', ORGANS_2D, 'ct', 'abdomen');

export const MEDMNIST_SETS: Readonly<Record<string, MedmnistSet>> = {
  pathmnist: colour(
    'multi-class',
    [
      'adipose',
      'background',
      'debris',
      'lymphocytes',
      'mucus',
      'smooth muscle',
      'normal colon mucosa',
      'cancer-associated stroma',
      'colorectal adenocarcinoma epithelium',
    ],
    'pathology',
    'colon',
  ),
  chestmnist: grey(
    'multi-label',
    [
      'atelectasis',
      'cardiomegaly',
      'effusion',
      'infiltration',
      'mass',
      'nodule',
      'pneumonia',
      'pneumothorax',
      'consolidation',
      'edema',
      'emphysema',
      'fibrosis',
      'pleural',
      'hernia',
    ],
    'xray',
    'chest',
  ),
  dermamnist: colour(
    'multi-class',
    [
      'actinic keratoses and intraepithelial carcinoma',
      'basal cell carcinoma',
      'benign keratosis-like lesions',
      'dermatofibroma',
      'melanoma',
      'melanocytic nevi',
      'vascular lesions',
    ],
    'dermatoscope',
    'skin',
  ),
  octmnist: grey(
    'multi-class',
    ['choroidal neovascularization', 'diabetic macular edema', 'drusen', 'normal'],
    'oct',
    'retina',
  ),
  pneumoniamnist: grey('binary', ['normal', 'pneumonia'], 'xray', 'chest'),
  retinamnist: colour('ordinal', ['0', '1', '2', '3', '4'], 'fundus-camera', 'retina'),
  breastmnist: grey('binary', ['malignant', 'normal, benign'], 'ultrasound', 'breast'),
  bloodmnist: colour(
    'multi-class',
    [
      'basophil',
      'eosinophil',
      'erythroblast',
      'immature granulocytes(myelocytes, metamyelocytes and promyelocytes)',
      'lymphocyte',
      'monocyte',
      'neutrophil',
      'platelet',
    ],
    'microscope',
    'blood',
  ),
  tissuemnist: grey(
    'multi-class',
    [
      'Collecting Duct, Connecting Tubule',
      'Distal Convoluted Tubule',
      'Glomerular endothelial cells',
      'Interstitial endothelial cells',
      'Leukocytes',
      'Podocytes',
      'Proximal Tubule Segments',
      'Thick Ascending Limb',
    ],
    'microscope',
    'kidney',
  ),
  organamnist: organs2d,
  organcmnist: organs2d,
  organsmnist: organs2d,
  organmnist3d: volume(
    'multi-class',
    [
      'liver',
      'kidney-right',
      'kidney-left',
      'femur-right',
      'femur-left',
      'bladder',
      'heart',
      'lung-right',
      'lung-left',
      'spleen',
      'pancreas',
    ],
    'ct',
    'abdomen',
  ),
  nodulemnist3d: volume('binary', ['benign', 'malignant'], 'ct', 'chest'),
  adrenalmnist3d: volume('binary', ['normal', 'hyperplasia'], 'ct', 'abdomen'),
  fracturemnist3d: volume(
    'multi-class',
    ['buckle rib fracture', 'nondisplaced rib fracture', 'displaced rib fracture'],
    'ct',
    'chest',
  ),
  vesselmnist3d: volume('binary', ['vessel', 'aneurysm'], 'mri', 'brain'),
  synapsemnist3d: volume(
    'binary',
    ['inhibitory synapse', 'excitatory synapse'],
    'electron-microscope',
    'brain',
  ),
};

/** The set a file such as `pneumoniamnist.npz` or `pneumoniamnist_64.npz` holds; undefined for other names. */
export function medmnistSetOf(file: string): { name: string; set: MedmnistSet } | undefined {
  const name = /(?:^|\/)([a-z0-9]+)(?:_(?:64|128|224))?\.npz$/.exec(file)?.[1];
  const set = name && Object.hasOwn(MEDMNIST_SETS, name) ? MEDMNIST_SETS[name] : undefined;
  return name && set ? { name, set } : undefined;
}

function grey(kind: TaskKind, classes: string[], modality: string, bodyPart: string): MedmnistSet {
  return { kind, classes, channels: 1, dimensions: 2, modality, bodyPart };
}

function colour(kind: TaskKind, classes: string[], modality: string, bodyPart: string): MedmnistSet {
  return { kind, classes, channels: 3, dimensions: 2, modality, bodyPart };
}

function volume(kind: TaskKind, classes: string[], modality: string, bodyPart: string): MedmnistSet {
  return { kind, classes, channels: 1, dimensions: 3, modality, bodyPart };
}
