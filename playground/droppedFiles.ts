/**
 * The files of a drop. In: what was dropped: files, and folders with files in them. Out: all files, and which of them
 * is the model. Invariant: a folder is read to its end or not at all, and never more of it than a model has.
 */

/** A TF.js model may come in thousands of shards; a folder with more files than this is somebody's whole disk. */
const MOST_FILES = 5000;

/**
 * All files of a drop, at once where there is no folder.
 *
 * @throws RangeError (the promise rejects) when there are too many; DOMException when one cannot be read
 */
export function filesOf(items: DataTransferItemList): File[] | Promise<File[]> {
  // Both must be asked for while the event is handled: afterwards the list is empty.
  const dropped = [...items].flatMap((item): readonly (File | FileSystemDirectoryEntry)[] => {
    const entry = item.kind === "file" ? item.webkitGetAsEntry() : null;
    const file = item.getAsFile();
    return entry?.isDirectory ? [entry as FileSystemDirectoryEntry] : file ? [file] : [];
  });
  const files = dropped.filter((one) => one instanceof File);
  return files.length === dropped.length ? files : withFolders(dropped);
}

async function withFolders(dropped: readonly (File | FileSystemDirectoryEntry)[]): Promise<File[]> {
  const files: File[] = [];
  for (const one of dropped) {
    if (one instanceof File) files.push(one);
    else await addFiles(one, files);
  }
  return files;
}

async function addFiles(folder: FileSystemDirectoryEntry, files: File[]): Promise<void> {
  const reader = folder.createReader();
  for (;;) {
    // A hundred at a time, until there are none.
    const entries = await new Promise<FileSystemEntry[]>((done, failed) => reader.readEntries(done, failed));
    if (entries.length === 0) return;
    for (const entry of entries) {
      if (entry.isDirectory) await addFiles(entry as FileSystemDirectoryEntry, files);
      else files.push(await new Promise((done, failed) => (entry as FileSystemFileEntry).file(done, failed)));
      if (files.length > MOST_FILES)
        throw new RangeError(`there are more than ${MOST_FILES} files in the folder`);
    }
  }
}

/** The model among files: by its ending, else TF.js's `model.json`, else whatever stands first. */
export function modelAmong<T extends { readonly name: string }>(files: readonly T[]): T | undefined {
  return (
    files.find(({ name }) => /\.(onnx|tile)$/i.test(name)) ??
    files.find(({ name }) => /^model\.json$/i.test(name)) ??
    files.find(({ name }) => /\.json$/i.test(name)) ??
    files[0]
  );
}
