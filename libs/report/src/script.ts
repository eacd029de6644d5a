/** The page's only script: the boxes of the legend hide points by class and modality in every map. */
export const SCRIPT = `
for (const box of document.querySelectorAll('.legend input')) {
  box.addEventListener('change', () => {
    const off = (name) => new Set([...document.querySelectorAll('.legend input[data-' + name + ']:not(:checked)')].map((one) => name + '-' + one.dataset[name]));
    const hidden = new Set([...off('class'), ...off('modality')]);
    for (const group of document.querySelectorAll('.map .points')) {
      group.classList.toggle('hidden', [...group.classList].some((name) => hidden.has(name)));
    }
  });
}
`;
